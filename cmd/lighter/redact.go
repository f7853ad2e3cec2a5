package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lighter/collector/stage/redact"
)

// redactLimit is the longest line after redaction. It is the default of LIGHTER_MAX_LINE.
const redactLimit = 256 << 10

func (c *cli) redactCommand() *cobra.Command {
	var list bool
	cmd := &cobra.Command{
		Use:   "redact",
		Short: "Print the lines of stdin as they would be sent, without their secrets",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := redact.New()
			if list {
				return printRules(c.stdout, r.Rules())
			}
			_, err := unlessStopped(cmd.Context(), func() ([]byte, error) { return nil, redactLines(c.stdout, cmd.InOrStdin(), r) })
			return err
		},
	}
	cmd.Flags().BoolVar(&list, "list", false, "print the rules")
	return cmd
}

func printRules(w io.Writer, rules []redact.Rule) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, rule := range rules {
		fmt.Fprintf(t, "%s\t%s\n", rule.Name, rule.Description)
	}
	return t.Flush()
}

// redactLines copies lines from in to out. It writes each line as soon as it has been read, so that the
// command can follow a log.
func redactLines(out io.Writer, in io.Reader, r *redact.Redactor) error {
	lines := bufio.NewReaderSize(in, 64<<10)
	key := r.Lines(redactLimit)
	var buffer []byte
	for {
		line, err := readLine(lines, buffer[:0])
		buffer = line
		if len(line) > 0 {
			end := len(line)
			if line[end-1] == '\n' {
				end--
			}
			text := append(key.Next(line[:end:end]), line[end:]...)
			if _, err := out.Write(text); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read stdin: %w", err)
		}
	}
}

// readLine appends the next line with its newline to b.
func readLine(r *bufio.Reader, b []byte) ([]byte, error) {
	for {
		piece, err := r.ReadSlice('\n')
		if b = append(b, piece...); !errors.Is(err, bufio.ErrBufferFull) {
			return b, err
		}
	}
}
