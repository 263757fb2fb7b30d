// Reads an OCI image layout with the library of the ORAS project, and copies models out of it.
//
//	oci list LAYOUT              every name with its digest, media types and sizes, every blob hashed
//	oci copy LAYOUT NAME TARGET  the model NAME into another layout, by the library's own copier
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"
)

type model struct {
	Name         string   `json:"name"`
	Digest       string   `json:"digest"`
	ArtifactType string   `json:"artifact_type"`
	Config       string   `json:"config"`
	Layers       []string `json:"layers"`
	Paths        []string `json:"paths"`
	Bytes        int64    `json:"bytes"`
}

func read(ctx context.Context, store oras.ReadOnlyTarget, name string) (model, error) {
	root, err := store.Resolve(ctx, name)
	if err != nil {
		return model{}, err
	}
	raw, err := content.FetchAll(ctx, store, root) // compares size and digest
	if err != nil {
		return model{}, err
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return model{}, err
	}
	told := model{Name: name, Digest: root.Digest.String(), ArtifactType: manifest.ArtifactType, Config: manifest.Config.MediaType}
	named, err := content.Successors(ctx, store, root)
	if err != nil {
		return model{}, err
	}
	for _, one := range named {
		if _, err := content.FetchAll(ctx, store, one); err != nil {
			return model{}, fmt.Errorf("%s: %w", one.Digest, err)
		}
	}
	for _, layer := range manifest.Layers {
		told.Layers = append(told.Layers, layer.MediaType)
		told.Paths = append(told.Paths, layer.Annotations["org.cncf.model.filepath"])
		told.Bytes += layer.Size
	}
	return told, nil
}

func list(ctx context.Context, layout string) error {
	store, err := oci.NewFromFS(ctx, os.DirFS(layout))
	if err != nil {
		return err
	}
	found := []model{}
	err = store.Tags(ctx, "", func(names []string) error {
		for _, name := range names {
			told, err := read(ctx, store, name)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			found = append(found, told)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func copyModel(ctx context.Context, layout, name, target string) error {
	from, err := oci.NewFromFS(ctx, os.DirFS(layout))
	if err != nil {
		return err
	}
	to, err := oci.New(target)
	if err != nil {
		return err
	}
	_, err = oras.Copy(ctx, from, name, to, name, oras.DefaultCopyOptions)
	return err
}

func main() {
	ctx, args := context.Background(), os.Args[1:]
	err := fmt.Errorf("usage: oci list LAYOUT | oci copy LAYOUT NAME TARGET")
	switch {
	case len(args) == 2 && args[0] == "list":
		err = list(ctx, args[1])
	case len(args) == 4 && args[0] == "copy":
		err = copyModel(ctx, args[1], args[2], args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
