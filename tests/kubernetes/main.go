// The manifests of a kustomization as kubectl would apply them.
//
// usage: kubernetes DIRECTORY
//
// It prints what `kubectl kustomize DIRECTORY` prints: the library is the same.
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kubernetes DIRECTORY")
		os.Exit(64)
	}
	text, err := build(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(text)
}

// build returns the manifests, in the order in which they are to be applied.
func build(directory string) ([]byte, error) {
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionLegacy
	resources, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), directory)
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", directory, err)
	}
	return resources.AsYaml()
}
