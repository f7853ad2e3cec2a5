package send_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A response from something in the backend's place neither drops data nor counts as a success, and is
// reported at once.
func TestForeignAnswers(t *testing.T) {
	const nginx = "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n"
	for name, tc := range map[string]struct {
		code       int
		text, want string
		header     []string
	}{
		"redirect":                  {302, "", "a redirect to https://login.test/", []string{"Location", "https://login.test/?token=hunter2"}},
		"permanent":                 {308, "", "a redirect to https://loki.test/push", []string{"Location", "https://loki.test/push"}},
		"login page":                {200, "<html>", "a web page", []string{"Content-Type", "text/html; charset=utf-8"}},
		"login page in XHTML":       {200, "<html>", "a web page", []string{"Content-Type", "application/xhtml+xml"}},
		"login page of no type":     {200, "\xef\xbb\xbf\n <!DOCTYPE html><html>", "a web page", nil},
		"login page called text":    {202, "<html><body>", "a web page", []string{"Content-Type", "text/plain"}},
		"XML error":                 {200, `<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>`, "a web page", []string{"Content-Type", "application/xml"}},
		"error page":                {400, "<html>Bad Request</html>", "Bad Request", []string{"Content-Type", "text/html"}},
		"error page called text":    {400, "<html>Bad Request</html>", "Bad Request", []string{"Content-Type", "text/plain"}},
		"error page of no type":     {422, nginx, "plain HTTP request", nil},
		"plain HTTP to TLS":         {400, "Client sent an HTTP request to an HTTPS server.\n", "HTTPS", nil},
		"400, empty":                {400, "", "an empty body", nil},
		"400, blanks":               {400, " \r\n", "an empty body", nil},
		"400, an empty page":        {400, "", "an empty body", []string{"Content-Type", "text/html"}},
		"409, empty":                {409, "", "an empty body", nil},
		"422, empty":                {422, "", "an empty body", nil},
		"200, error":                {200, `{"error":"unauthorized"}`, "unauthorized", []string{"Content-Type", "application/json"}},
		"200, error of no type":     {200, ` {"error":"unauthorized"}`, "unauthorized", nil},
		"200, error with more":      {200, `{"took":1,"Error":{"code":7,"message":"nobody"}}`, "nobody", nil},
		"200, errors":               {200, `{"data":null,"errors":[{"message":"no such field"}]}`, "no such field", nil},
		"200, status error":         {200, `{"status":"error","message":"tenant is unknown"}`, "tenant is unknown", nil},
		"200, status code":          {200, `{"statusCode":401,"message":"Unauthorized"}`, "Unauthorized", nil},
		"200, status fail":          {200, `{"status":"fail","data":"x"}`, "x", nil},
		"200, problem details":      {200, `{"type":"about:blank","title":"Forbidden","status":403}`, "Forbidden", nil},
		"200, code":                 {200, `{"code":404,"message":"no route"}`, "no route", nil},
		"200, no success":           {200, `{"success":false,"reason":"away"}`, "away", nil},
		"204 cannot have a body":    {204, `{"error":"odd"}`, "odd", nil},
		"200, a long error message": {200, `{"error":"` + strings.Repeat("x", 20<<10) + `"}`, "xxx", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(func(int, string) (*http.Response, error) { return status(tc.code, tc.text, tc.header...) })
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := b.Deliver(ctx, six()); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("err = %v, want to go on trying", err)
				}
				if d, n := testutil.ToFloat64(b.delivered), testutil.CollectAndCount(b.dropped); d != 0 || n != 0 {
					t.Errorf("delivered = %v, reasons to drop = %d, want neither", d, n)
				}
				err := b.Err()
				if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
					t.Fatalf("ready: err = %v, want it to say %q", err, tc.want)
				}
				if !strings.Contains(err.Error(), "this does not look like a post office") {
					t.Errorf("ready: err = %v, want it to say that this is not the backend", err)
				}
			})
		})
	}
}

// Responses of backends and gateways that have taken everything.
func TestSuccesses(t *testing.T) {
	for name, tc := range map[string]struct {
		code       int
		text, kind string
	}{
		"Loki":                  {204, "", ""},
		"Mimir":                 {200, "", ""},
		"accepted":              {202, "", "text/plain"},
		"blanks":                {200, "\r\n", "text/plain"},
		"an empty page":         {200, "", "text/html"},
		"text":                  {200, "ok", "text/plain"},
		"an empty object":       {200, "{}", "application/json"},
		"OpenTelemetry":         {200, `{"partialSuccess":{}}`, "application/json"},
		"OpenTelemetry, fully":  {200, `{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":""}}`, "application/json"},
		"Elasticsearch":         {200, `{"took":3,"errors":false,"items":[]}`, "application/json"},
		"Prometheus' manner":    {200, `{"status":"success"}`, "application/json"},
		"Splunk":                {200, `{"text":"Success","code":0}`, "application/json"},
		"code 200":              {200, `{"code":200,"message":"ok","error":null}`, "application/json"},
		"OpenTelemetry, partly": {200, `{"partialSuccess":{"rejectedLogRecords":"6","errorMessage":"too old"}}`, "application/json"},
		"an error within":       {200, `{"took":3,"items":[{"index":{"error":{"type":"mapper"}}}]}`, "application/json"},
		"a status within":       {200, `{"status":"success","data":{"status":"error","code":500,"error":"of last week"}}`, "application/json"},
		"a list":                {200, `[{"error":"odd"}]`, "application/json"},
		"words about errors":    {200, `{"message":"error budget is fine","exception":"none","status":"ok"}`, "application/json"},
		"no JSON after all":     {200, `{"error`, "application/json"},
		"a message of a queue":  {200, `"queued"`, "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(func(int, string) (*http.Response, error) { return status(tc.code, tc.text, "Content-Type", tc.kind) })
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := b.Deliver(ctx, six()); err != nil {
					t.Error(err)
				}
				if d := testutil.ToFloat64(b.delivered); d != 6 || b.Err() != nil {
					t.Errorf("delivered = %v, ready = %v", d, b.Err())
				}
			})
		})
	}
}

// A web page with a status that is clear by itself changes nothing: a proxy's limit splits a request like a
// backend's does, and temporary failures are retried without reporting a wrong configuration.
func TestPagesOfProxies(t *testing.T) {
	for code, want := range map[int]string{413: "[abcdef abc def]", 429: "[abcdef abcdef]", 502: "[abcdef abcdef]"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(func(n int, _ string) (*http.Response, error) {
				if n == 1 {
					return status(code, "<html>", "Content-Type", "text/html")
				}
				return status(204, "")
			})
			if err := b.Deliver(t.Context(), six()); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(b.backend.bodies); got != want || strings.Contains(b.log.String(), "look like") {
				t.Errorf("%d: requests %s, want %s; log:\n%s", code, got, want, b.log)
			}
		})
	}
}
