package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"lighter"
)

const (
	// statsTimeout is longer than the response time of an Engine older than API 1.41, which waits for a
	// second sample before it responds.
	statsTimeout = 10 * time.Second
	// sizeTimeout is how long determining the size of a container's files may take.
	sizeTimeout = 2 * time.Minute
	// maxStatsBytes limits how much of a response is read. A response with values for each of a thousand
	// CPUs is below 50 KB.
	maxStatsBytes = 1 << 20
)

// Stats returns a sample of the resources that a container uses. Values with another type than Docker's are
// zero, and for a container that does not run all values are zero. The error wraps lighter.ErrGone if the
// container no longer exists.
func (c *Client) Stats(ctx context.Context, id string) (container.StatsResponse, error) {
	var stats container.StatsResponse
	err := c.do(ctx, statsTimeout, "ask for the statistics of the container", "/containers/"+id+"/stats", func(ctx context.Context, api *client.Client) error {
		response, err := api.ContainerStatsOneShot(ctx, id)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		return decodeStats(response.Body, &stats)
	})
	return stats, err
}

// decodeStats decodes a response. It leaves out a value with another type than Docker's.
func decodeStats(r io.Reader, into *container.StatsResponse) error {
	b, err := io.ReadAll(io.LimitReader(r, maxStatsBytes+1))
	if err != nil {
		return err
	}
	if len(b) > maxStatsBytes {
		return fmt.Errorf("the response is longer than %d bytes", maxStatsBytes)
	}
	var other *json.UnmarshalTypeError
	if err := json.Unmarshal(b, into); err != nil && !errors.As(err, &other) {
		return fmt.Errorf("the response is not JSON: %w", err)
	}
	return nil
}

// WritableBytes returns the size of the files that a container has written into its root file system. The
// Engine has to walk the files, and holds no lock of the container meanwhile. The error wraps
// lighter.ErrGone if the container no longer exists.
func (c *Client) WritableBytes(ctx context.Context, id string) (int64, error) {
	var listed []container.Summary
	options := container.ListOptions{All: true, Size: true, Filters: filters.NewArgs(filters.Arg("id", id))}
	err := c.do(ctx, sizeTimeout, "ask for the disk usage of the container", "/containers/json", func(ctx context.Context, api *client.Client) (err error) {
		listed, err = api.ContainerList(ctx, options)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, l := range listed {
		switch {
		case l.ID != id:
		case l.SizeRw < 0:
			return 0, errors.New("ask for the disk usage of the container: the Engine cannot tell it")
		default:
			return l.SizeRw, nil
		}
	}
	return 0, fmt.Errorf("ask for the disk usage of the container: %w", lighter.ErrGone)
}

// Machine returns the Engine's description of its host.
func (c *Client) Machine(ctx context.Context) (lighter.Machine, error) {
	var m lighter.Machine
	err := c.do(ctx, callTimeout, "ask the Engine for its host's size", "/info", func(ctx context.Context, api *client.Client) error {
		info, err := api.Info(ctx)
		m = lighter.Machine{CPUs: info.NCPU, MemoryBytes: info.MemTotal, StorageDriver: info.Driver}
		return err
	})
	if err != nil {
		return lighter.Machine{}, err
	}
	return m, nil
}
