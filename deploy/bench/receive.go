package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"

	"lighter/exporters/receiver"
)

// report is the receiver's response on reportPath.
type report struct {
	Lines   lineReport
	Samples sampleReport
	Refused []string // violations of both protocols
}

const reportPath = "/report"

// runReceiver runs the project's receiver in a separate process. It checks and counts what it receives,
// and does not store it. It prints its URL and ends when stdin does.
func runReceiver(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	lines, samples := newLineTally(), newSampleTally()
	server := receiver.New(receiver.Options{})
	server.Respond(func(r *http.Request, body []byte) (int, http.Header, string, bool) {
		at := time.Now()
		var err error
		if r.URL.Path == receiver.PushPath {
			err = lines.take(body, at)
		} else {
			err = samples.take(r.Header, body)
		}
		if err != nil {
			return http.StatusBadRequest, nil, err.Error(), true
		}
		return http.StatusNoContent, nil, "", true
	})
	mux := http.NewServeMux()
	mux.Handle("/", server)
	mux.HandleFunc("GET "+reportPath, func(w http.ResponseWriter, _ *http.Request) {
		// If the write fails, the client's JSON is incomplete.
		_ = json.NewEncoder(w).Encode(report{lines.report(), samples.report(), append(lines.refused(), samples.refused()...)})
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }() // ends with Close
	defer srv.Close()
	if err := json.NewEncoder(stdout).Encode("http://" + l.Addr().String()); err != nil {
		return err
	}
	return untilEnd(ctx, stdin, failed)
}
