package process

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jmespath-community/go-jmespath"
	"github.com/prometheus/common/model"
)

var errEmptySource = errors.New("source must not be empty")

func checkRegexp(name, text string) error {
	if _, err := regexp.Compile(text); err != nil {
		return fmt.Errorf("%s does not parse: %w", name, err)
	}
	return nil
}

// checkPaths checks JMESPath expressions, keyed by the names of the values that they extract.
func checkPaths(name string, all map[string]string) error {
	for key, text := range sorted(all) {
		if text == "" {
			text = key
		}
		if _, err := compilePath(text); err != nil {
			return fmt.Errorf("%s: %q is no JMESPath expression: %w%s", name, text, err, hintForPath(text))
		}
	}
	return nil
}

// compilePath compiles a JMESPath expression. It recovers from the library's panics on some texts.
func compilePath(text string) (_ jmespath.JMESPath, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it cannot be parsed (%v)", r)
		}
	}()
	return jmespath.Compile(text)
}

// hintForPath returns a hint for common mistakes.
func hintForPath(text string) string {
	if strings.Contains(text, "-") && !strings.Contains(text, `"`) {
		return fmt.Sprintf("; a key with a hyphen is written in double quotes of its own: %q", `"`+text+`"`)
	}
	return ""
}

func checkNotEmpty(values []string) error {
	if len(values) == 0 {
		return errors.New("values must not be empty")
	}
	return nil
}

func checkLabelNames(values map[string]*string) error {
	for name := range sorted(values) {
		if !model.UTF8Validation.IsValidLabelName(name) {
			return fmt.Errorf("%q is no valid label name", name)
		}
	}
	return nil
}
