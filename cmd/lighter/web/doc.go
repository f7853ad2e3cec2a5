// Package web is the agent's own HTTP server. It serves health, readiness, metrics and the state of the
// agent, the latter as JSON and as a page.
//
// A Server queries its Source at each request and keeps nothing, so it costs nothing while nobody looks. It
// serves GET and HEAD, and POST for a reload. It sets no CORS header and checks the Host header, so the
// script of a foreign page cannot read a response. The page itself has no script. A Server shows what its
// Source returns unchanged, so the Source must not return secrets. Only cmd/lighter makes a Server.
package web
