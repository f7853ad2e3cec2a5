package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"lighter/deploy/e2e/backend"
)

// levelsFile contains, for each line, the level that Loki detects and the level that lighter sends.
const levelsFile = "../../collector/stage/level/testdata/levels.tsv"

// TestLevels queries a real Loki for the level of each line of levelsFile: the level that Loki detects, and
// the one that it stores if lighter sends a level with the line. It does not need Docker.
func TestLevels(t *testing.T) {
	ctx := t.Context()
	loki, err := backend.StartLoki(ctx, t.TempDir(), backend.WithoutShards)
	must(t, err)
	t.Cleanup(func() { loki.Close() })
	must(t, loki.Ready(ctx))

	var detected, sent []levelEntry
	text, err := os.ReadFile(levelsFile)
	must(t, err)
	at := time.Now().Add(-time.Minute).UnixNano()
	for row := range strings.Lines(string(text)) {
		if strings.HasPrefix(row, "#") {
			continue
		}
		columns := strings.Split(strings.TrimSuffix(row, "\n"), "\t")
		line, err := strconv.Unquote(columns[2])
		must(t, err)
		at++
		detected = append(detected, levelEntry{at: at, line: line, want: columns[0]})
		e := levelEntry{at: at, line: line, want: columns[1]}
		if columns[1] != columns[0] {
			e.metadata = map[string]string{"detected_level": columns[1]}
		}
		sent = append(sent, e)
	}
	for name, entries := range map[string][]levelEntry{"detected": detected, "sent": sent} {
		must(t, pushLevels(ctx, loki, name, entries))
		var got map[int64]string
		eventually(t, time.Minute, func(ctx context.Context) error {
			var err error
			if got, err = levelsIn(ctx, loki, name, time.Unix(0, at)); err == nil && len(got) < len(entries) {
				err = fmt.Errorf("Loki has %d of %d lines", len(got), len(entries))
			}
			return err
		})
		wrong := 0
		for _, e := range entries {
			if got[e.at] != e.want {
				wrong++
				t.Errorf("%s: Loki has %s, want %s, for %q", name, got[e.at], e.want, e.line)
			}
		}
		fmt.Printf("e2e: levels %s: %d lines, %d of them with an unexpected level\n", name, len(entries), wrong)
	}
}

type levelEntry struct {
	at       int64 // Unix nanoseconds, of this entry only
	line     string
	want     string
	metadata map[string]string
}

// pushLevels sends entries as a separate stream.
func pushLevels(ctx context.Context, loki *backend.Loki, name string, entries []levelEntry) error {
	var values [][]any
	for _, e := range entries {
		v := []any{strconv.FormatInt(e.at, 10), e.line}
		if e.metadata != nil {
			v = append(v, e.metadata)
		}
		values = append(values, v)
	}
	body, err := json.Marshal(map[string]any{"streams": []any{map[string]any{"stream": map[string]string{"levels": name}, "values": values}}})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, loki.URL+"/loki/api/v1/push", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	_, err = answerOf(req)
	return err
}

// levelsIn returns the level that Loki stores for each entry of a stream, by the entry's time.
func levelsIn(ctx context.Context, loki *backend.Loki, name string, at time.Time) (map[int64]string, error) {
	v := url.Values{
		"query": {fmt.Sprintf(`{levels=%q}`, name)}, "limit": {"5000"},
		"start": {strconv.FormatInt(at.Add(-time.Hour).UnixNano(), 10)}, "end": {strconv.FormatInt(at.Add(time.Hour).UnixNano(), 10)},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, loki.URL+"/loki/api/v1/query_range?"+v.Encode(), nil)
	if err != nil {
		return nil, err
	}
	body, err := answerOf(req)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Stream map[string]string
				Values [][2]string
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	all := map[int64]string{}
	for _, s := range answer.Data.Result {
		for _, v := range s.Values {
			at, err := strconv.ParseInt(v[0], 10, 64)
			if err != nil {
				return nil, err
			}
			all[at] = s.Stream["detected_level"]
		}
	}
	return all, nil
}

func answerOf(req *http.Request) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, resp.Status, body)
	}
	return body, err
}
