package multiline

// elixir implements next for Elixir:
//
//	12:00:00.000 [error] GenServer #PID<0.120.0> terminating
//	** (RuntimeError) boom
//	    (app 0.1.0) lib/app.ex:5: App.handle_call/3
//	Last message: :crash
//	State: %{}
func (p phase) elixir(line []byte) (phase, relation) {
	switch {
	case hasPrefix(line, "    "):
		return exFrames, joins
	case len(line) == 0 && p != exHead:
		return p, mayJoin
	case hasPrefix(line, "** ("):
		if p == exHead {
			return exTitle, joins
		}
		return none, ends
	case hasAny(line, "Last message", "State: ", "Client ", "Function: ", "Reason: ", "Server: ", "Request: ", "Start Call: ", "Initial Call: ", "Ancestors: "):
		if p == exTitle {
			return exFrames, joins
		}
		return p, joins
	case p == exTitle && isMessage(line):
		return exTitle, mayJoin
	}
	return none, ends
}
