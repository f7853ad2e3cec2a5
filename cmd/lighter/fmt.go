package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"lighter/config/alloy"
)

func (c *cli) fmtCommand() *cobra.Command {
	var write, test bool
	cmd := &cobra.Command{
		Use:   "fmt FILE",
		Short: "Format an Alloy file and print it; - is stdin",
		Args:  fileArgument(exactlyOne),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.format(cmd.Context(), args[0], write, test)
		},
	}
	cmd.Flags().BoolVarP(&write, "write", "w", false, "write the result to the file instead of stdout")
	cmd.Flags().BoolVarP(&test, "test", "t", false, "print nothing, and fail if the file is not formatted")
	return cmd
}

func (c *cli) format(ctx context.Context, file string, write, test bool) error {
	name := file
	if file == stdin {
		if write {
			return usageError{errors.New("stdin cannot be written: remove -w")}
		}
		name = "stdin"
	}
	text, err := c.readFile(ctx, file)
	if err != nil {
		return fmt.Errorf("read the file to format: %w", err)
	}
	formatted, err := alloy.Format(name, text)
	var wrong alloy.Diagnostics
	switch {
	case errors.As(err, &wrong):
		return c.sayDiagnostics(wrong)
	case err != nil:
		return fmt.Errorf("format %s: %w", name, err)
	case test && !bytes.Equal(text, formatted):
		return fmt.Errorf("%s is not formatted: lighter fmt -w %s formats it", name, name)
	case test:
		return nil
	case write && bytes.Equal(text, formatted):
		return nil
	case write:
		if err := replaceFile(file, formatted); err != nil {
			return fmt.Errorf("write the formatted file: %w", err)
		}
		return nil
	}
	_, err = c.stdout.Write(formatted)
	return err
}

// replaceFile replaces the content of a file, so that the file is complete at any time: on a full disk the
// old content remains. A file that cannot be replaced, such as one that is mounted by itself, is
// overwritten in place, and so is a file that belongs to another user.
func replaceFile(name string, content []byte) error {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // the link remains
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if errors.Is(err, os.ErrPermission) {
		return os.WriteFile(name, content, info.Mode().Perm())
	}
	if err != nil {
		return err
	}
	defer os.Remove(next.Name())
	_, err = next.Write(content)
	if err = errors.Join(err, next.Chmod(info.Mode().Perm()), next.Sync()); err != nil {
		return errors.Join(err, next.Close())
	}
	owned := sameOwner(next, info)
	if err := next.Close(); err != nil {
		return err
	}
	if owned && os.Rename(next.Name(), name) == nil {
		return nil
	}
	return os.WriteFile(name, content, info.Mode().Perm())
}

// sameOwner gives a file the owner of another file, and reports whether that was possible.
func sameOwner(f *os.File, other os.FileInfo) bool {
	was, ok := other.Sys().(*syscall.Stat_t)
	return !ok || f.Chown(int(was.Uid), int(was.Gid)) == nil
}
