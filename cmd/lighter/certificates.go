package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// certificateWarnings returns a line for each file and directory in the values of SSL_CERT_FILE and
// SSL_CERT_DIR that yields no certificate authority. Package crypto/x509, which reads the two variables,
// ignores those silently, and a backend's certificate is then refused for no apparent reason.
func certificateWarnings(file, dirs string) (warnings []string) {
	const nothing = "; no certificate authority is taken from it"
	if file != "" {
		if err := holdsCertificate(file); err != nil {
			warnings = append(warnings, fmt.Sprintf("SSL_CERT_FILE=%q: %s%s", file, err, nothing))
		}
	}
	if dirs != "" {
		for dir := range strings.SplitSeq(dirs, ":") {
			if err := holdsFileWithCertificate(dir); err != nil {
				warnings = append(warnings, fmt.Sprintf("SSL_CERT_DIR=%q: %s%s", dir, err, nothing))
			}
		}
	}
	return warnings
}

func holdsCertificate(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("cannot read the file: %w", reason(err))
	}
	if !x509.NewCertPool().AppendCertsFromPEM(content) {
		return errors.New("the file holds no certificate in PEM form")
	}
	return nil
}

func holdsFileWithCertificate(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot read the directory: %w", reason(err))
	}
	for _, e := range entries {
		if holdsCertificate(filepath.Join(dir, e.Name())) == nil {
			return nil
		}
	}
	return errors.New("no file in the directory holds a certificate in PEM form")
}

// reason returns an error of package os without the path, which the caller adds.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
