// Package web is the agent's own HTTP server: health, readiness, metrics, and what the
// agent is doing, as JSON and as a page.
//
// It asks a Source when somebody looks and keeps nothing, so it costs nothing while
// nobody does. It answers GET and HEAD alone. There is no CORS, so a foreign page's script
// reads nothing, and the page itself has no script. Whatever a Source says is shown as it
// is: keeping secrets out of it is the Source's part. Only cmd/lighter makes a Server.
package web
