package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// backend is the receiver's process.
type backend struct {
	*process
	url string
}

func startBackend() (*backend, error) {
	b := &backend{}
	var err error
	b.process, err = startRole(&b.url, "receive")
	return b, err
}

// report returns what has arrived so far.
func (b *backend) report(ctx context.Context) (r report, err error) {
	if err = ask(ctx, b.url+reportPath, &r); err != nil {
		err = fmt.Errorf("%w: %s", err, b.said)
	}
	return r, err
}

// ask reads the JSON of a response.
func ask(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return errors.Join(json.NewDecoder(res.Body).Decode(into), res.Body.Close())
}
