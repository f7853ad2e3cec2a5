// Package e2e tests the main job: containers of a real Docker Engine, lighter in its own image, a real Loki
// and a real Prometheus, queried with LogQL and PromQL as a user would.
//
// The lines that a container wrote are read from the Engine's json-file on disk (jsonfile), the lines that
// were sent from a recording gate before each backend (gate), and the lines that arrived from the backends
// themselves (backend). All three must agree to the byte and the nanosecond. The tests are the scenarios of
// TestLighter; README.md describes what they need and how to run one.
package e2e
