// Package e2e proves the main job: containers of a real Docker Engine, lighter in its own
// image, a real Loki and a real Prometheus, asked with LogQL and PromQL as a user would.
//
// What a container wrote is read from the Engine's json-file on disk (jsonfile), what was
// sent from a recording gate before each backend (gate), what arrived from the backends
// themselves (backend). All three must agree to the byte and the nanosecond. The tests are
// the scenarios of TestLighter; README.md says what they need and how to run one.
package e2e
