package main

import (
	"context"
	"time"

	"tailscale.com/client/local"
	"tailscale.com/ipn"
)

// A node that starts with an expired key is offered a login and no longer asks
// for its network map, so that it would never hear of an extension by the admin.
// Starting the backend afresh asks again with the key it has. That also makes a
// new login URL, so it is done no oftener than a person takes to log in.

// renewEvery is how long a login URL is left alone.
const renewEvery = 60 * time.Second

// renew starts the backend afresh from time to time until the context ends.
func (n *node) renew(ctx context.Context, client *local.Client) {
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			n.logf("asking again whether the node's key has been extended")
			if err := client.Start(ctx, ipn.Options{AuthKey: n.authKey}); err != nil {
				n.logf("asking again: %v", err)
			}
		}
	}
}

// hasKey reports whether the node has been logged in before: then there is a key
// that an admin can extend.
func (n *node) hasKey(ctx context.Context, client *local.Client) bool {
	status, err := client.StatusWithoutPeers(ctx)
	return err == nil && status.HaveNodeKey
}
