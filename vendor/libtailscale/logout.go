package main

import (
	"context"
	"errors"
	"time"
)

// logoutWait bounds what the control server gets to take note of a logout.
const logoutWait = 15 * time.Second

// logout gives the node's place in the tailnet up: its key is void, and its state
// holds no login any more. A node without a login has nothing to give up.
func (n *node) logout(ctx context.Context, m *mailbox) error {
	ctx, cancel := context.WithTimeout(ctx, logoutWait)
	defer cancel()
	client, err := n.backend(ctx)
	if err != nil {
		return err
	}
	if err := client.Logout(ctx); err != nil {
		return logoutFailure(ctx, err)
	}
	return m.send(loggedOutMessage{Type: "logged_out"})
}

// logoutFailure classifies an error of the backend, which has no type of its own.
func logoutFailure(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &failure{kindTimedOut, "logging out: no answer of the control server in time"}
	case ctx.Err() != nil:
		return ctx.Err()
	case httpStatus.MatchString(err.Error()) && refusal(err.Error()):
		return &failure{kindLoginRefused, "logging out: " + err.Error()}
	default:
		return &failure{kindUnreachable, "logging out: " + err.Error()}
	}
}
