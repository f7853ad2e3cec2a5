package alloy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/grafana/alloy/syntax/alloytypes"
	promconfig "github.com/prometheus/common/config"
)

// RemoteHTTP are the arguments of remote.http.
type RemoteHTTP struct {
	URL           string            `alloy:"url,attr"`
	PollFrequency time.Duration     `alloy:"poll_frequency,attr,optional"`
	PollTimeout   time.Duration     `alloy:"poll_timeout,attr,optional"`
	IsSecret      bool              `alloy:"is_secret,attr,optional"`
	Method        string            `alloy:"method,attr,optional"`
	Headers       map[string]string `alloy:"headers,attr,optional"`
	Body          string            `alloy:"body,attr,optional"`
	Client        *HTTPClient       `alloy:"client,block,optional"`
}

// SetToDefault sets Alloy's defaults.
func (a *RemoteHTTP) SetToDefault() {
	*a = RemoteHTTP{PollFrequency: time.Minute, PollTimeout: 10 * time.Second, Method: http.MethodGet}
}

// Validate reports the errors that Alloy reports.
func (a *RemoteHTTP) Validate() error {
	switch {
	case a.PollFrequency <= 0 || a.PollTimeout <= 0:
		return errors.New("poll_frequency and poll_timeout must be above 0")
	case a.PollTimeout >= a.PollFrequency:
		return fmt.Errorf("poll_timeout (%s) must be below poll_frequency (%s)", a.PollTimeout, a.PollFrequency)
	}
	_, err := http.NewRequest(a.Method, "http://localhost/", http.NoBody)
	if err != nil {
		return fmt.Errorf("%q is not an HTTP method", a.Method)
	}
	return nil
}

var remoteHTTP = kindOf(func(b *builder, a *RemoteHTTP) map[string]any {
	address := b.httpURL(b.block(), a.URL)
	shown := shownURL(address)
	unknown := func(why error) map[string]any {
		if !b.l.Unset {
			b.fail(b.place("url"), "", "%s cannot be read: %v", shown, why)
			return nil
		}
		if address != UnsetURL { // otherwise there is already a warning
			b.warn(b.place("url"), "", "%s cannot be read here: %v", shown, why)
		}
		b.entry.failed = true
		return nil
	}
	if address == UnsetURL {
		return unknown(nil)
	}
	p := &Poll{Every: a.PollFrequency, Shown: shown, args: *a}
	p.args.URL = address
	var err error
	client := clientOf(a.Client)
	if p.client, err = promconfig.NewClientFromConfig(client.config(), "remote.http"); err != nil {
		return unknown(err)
	}
	content, err := p.get(context.Background())
	if err != nil {
		return unknown(err)
	}
	p.sum = sha256.Sum256(content)
	b.l.polls = append(b.l.polls, p)
	b.l.hide(string(content), "the content of "+shown)
	return map[string]any{"content": alloytypes.OptionalSecret{IsSecret: a.IsSecret, Value: string(content)}}
}, "content")

// Poll is an address whose content the plan was made from. A change of the content may change the plan.
type Poll struct {
	Every time.Duration // how often to ask
	Shown string        // the address, without its parts that may be secret

	args   RemoteHTTP
	client *http.Client
	sum    [sha256.Size]byte // of the content
}

// Changed requests the content, and reports whether it has changed since the plan was made.
func (p *Poll) Changed(ctx context.Context) (bool, error) {
	content, err := p.get(ctx)
	if err != nil {
		return false, fmt.Errorf("%s cannot be read: %w", p.Shown, err)
	}
	return sha256.Sum256(content) != p.sum, nil
}

// maxContent is the maximum size of an answer.
const maxContent = 16 << 20

func (p *Poll) get(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.args.PollTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, p.args.Method, p.args.URL, bytes.NewReader([]byte(p.args.Body)))
	if err != nil {
		return nil, withoutURL(err)
	}
	for name, value := range p.args.Headers {
		r.Header.Set(name, value)
	}
	response, err := p.client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s, not 200 OK", response.Status)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxContent+1))
	if err == nil && len(content) > maxContent {
		err = fmt.Errorf("the answer has more than %d bytes", maxContent)
	}
	return content, err
}

// withoutURL returns why a request failed, without the address, which may contain a secret.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// shownURL returns an address without its parts that may be secret.
func shownURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that cannot be parsed"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
