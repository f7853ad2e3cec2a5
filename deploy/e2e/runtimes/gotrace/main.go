// Command gotrace ends with the stack trace that its argument selects.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"sync"
)

func ask(depth int) int {
	if depth > 0 {
		return ask(depth - 1)
	}
	var prices map[string]*int
	return *prices["one"]
}

func main() {
	switch os.Args[1] {
	case "panic":
		panic(fmt.Errorf("no payment: %w", errors.New("no price")))
	case "nil":
		ask(3)
	case "goroutines":
		var ready sync.WaitGroup
		for range 3 {
			ready.Add(1)
			go func() {
				ready.Done()
				select {}
			}()
		}
		ready.Wait()
		ask(3)
	case "again":
		defer func() {
			panic(fmt.Sprint("while it was cleaned up: ", recover()))
		}()
		ask(3)
	case "deadlock":
		select {}
	case "concurrent":
		m, done := map[int]int{}, make(chan bool)
		for range 8 {
			go func() {
				for i := 0; ; i++ {
					m[i%8] = i
				}
			}()
		}
		<-done
	case "recovered":
		defer func() {
			log.Printf("panic: %v\n%s", recover(), debug.Stack())
		}()
		ask(3)
	}
}
