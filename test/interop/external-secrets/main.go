// Asks External Secrets Operator's own webhook provider for secrets, and says what it makes of each answer: one line of JSON a key.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	esv1 "github.com/external-secrets/external-secrets/apis/externalsecrets/v1"
	"github.com/external-secrets/external-secrets/pkg/provider/webhook"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// input is what the operator would find in the cluster.
type input struct {
	Store  esv1.SecretStore `json:"store"`
	Secret corev1.Secret    `json:"secret"`
	Refs   []ref            `json:"refs"`
}

// ref is one entry of an ExternalSecret.
type ref struct {
	Key      string `json:"key"`
	Property string `json:"property"`
	Version  string `json:"version"`
	// Whole asks for all keys, as `dataFrom.extract` does.
	Whole bool `json:"whole"`
}

// outcome decides what the operator does next.
type outcome struct {
	Key string `json:"key"`
	// Value is a string, or a map of them.
	Value any `json:"value,omitempty"`
	// Error is set if the operator would keep its present value and retry.
	Error string `json:"error,omitempty"`
	// Gone: the operator takes the secret for deleted, and its deletionPolicy holds.
	Gone bool `json:"gone"`
}

// oneSecret is a cluster with one Secret in it.
type oneSecret struct {
	client.Client
	secret corev1.Secret
}

func (c oneSecret) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	into, ok := object.(*corev1.Secret)
	if !ok || key.Name != c.secret.Name || key.Namespace != c.secret.Namespace {
		return fmt.Errorf("no such object: %s", key)
	}
	c.secret.DeepCopyInto(into)
	return nil
}

func ask(provider esv1.SecretsClient, asked ref) outcome {
	remote := esv1.ExternalSecretDataRemoteRef{Key: asked.Key, Property: asked.Property, Version: asked.Version}
	value, err := read(provider, remote, asked.Whole)
	if errors.Is(err, esv1.NoSecretErr) {
		return outcome{Key: asked.Key, Gone: true}
	}
	if err != nil {
		return outcome{Key: asked.Key, Error: err.Error()}
	}
	return outcome{Key: asked.Key, Value: value}
}

func read(provider esv1.SecretsClient, remote esv1.ExternalSecretDataRemoteRef, whole bool) (any, error) {
	if !whole {
		value, err := provider.GetSecret(context.Background(), remote)
		return string(value), err
	}
	all, err := provider.GetSecretMap(context.Background(), remote)
	values := map[string]string{}
	for name, value := range all {
		values[name] = string(value)
	}
	return values, err
}

func run() error {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	cluster := oneSecret{secret: in.Secret}
	provider, err := (&webhook.Provider{}).NewClient(context.Background(), &in.Store, cluster, in.Store.Namespace)
	if err != nil {
		return err
	}
	// A store that is not valid is asked for nothing.
	_, invalid := provider.Validate()
	out := json.NewEncoder(os.Stdout)
	for _, asked := range in.Refs {
		outcome := outcome{Key: asked.Key}
		if invalid != nil {
			outcome.Error = invalid.Error()
		} else {
			outcome = ask(provider, asked)
		}
		if err := out.Encode(outcome); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
