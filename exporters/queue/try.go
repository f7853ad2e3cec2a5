package queue

// TryNext is Next without the waiting; false: there is no record now. As with Next, one
// goroutine a lane may call it at a time.
func (q *Queue) TryNext(lane int) (Record, bool, error) { return q.take(lane) }
