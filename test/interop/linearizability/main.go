// Checks with Porcupine whether a history of requests is linearizable: whether each request can have taken effect at one moment between its
// beginning and its end. Argument: a file with one JSON object a line. The program knows nothing of Quaymaster but these objects.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// request is one request to one object. An object holds a value; "" means that it does not exist.
type request struct {
	Object   string `json:"object"`
	Kind     string `json:"kind"` // read, write, create, swap or remove
	Value    string `json:"value"`
	Expected string `json:"expected"` // swap: the value that is replaced
	// ok, refused (the object exists, does not exist, or has another value) or unknown (it may take effect at any later time, or never)
	Outcome string `json:"outcome"`
	Client  int    `json:"client"`
	Begin   int64  `json:"begin"`
	End     int64  `json:"end"`
}

func object(initial string) porcupine.Model {
	return porcupine.Model{
		Init: func() interface{} { return initial },
		Step: func(state, input, _ interface{}) (bool, interface{}) {
			return step(state.(string), input.(request))
		},
		DescribeOperation: func(input, _ interface{}) string {
			r := input.(request)
			return fmt.Sprintf("%s %s %s>%s: %s", r.Object, r.Kind, r.Expected, r.Value, r.Outcome)
		},
	}
}

// step returns whether the answer is possible in the state, and the state after the request. Without an answer a request is possible in every
// state: if it never took effect, it counts as one after all others.
func step(state string, r request) (bool, string) {
	applies, next := effect(state, r)
	switch r.Outcome {
	case "ok":
		return applies, next
	case "refused":
		return !applies, state
	}
	if applies {
		return true, next
	}
	return true, state
}

func effect(state string, r request) (bool, string) {
	switch r.Kind {
	case "read":
		return state != "" && (r.Outcome != "ok" || state == r.Value), state
	case "write":
		return true, r.Value
	case "create":
		return state == "", r.Value
	case "swap":
		return state != "" && state == r.Expected, r.Value
	case "remove":
		return state != "", ""
	}
	panic("unknown kind " + r.Kind)
}

func main() {
	file, err := os.Open(os.Args[1])
	check(err)
	objects := map[string][]porcupine.Operation{}
	initial := map[string]string{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	count := 0
	for lines.Scan() {
		var r request
		check(json.Unmarshal(lines.Bytes(), &r))
		if r.Kind == "initial" {
			initial[r.Object] = r.Value
			continue
		}
		if r.Outcome == "unknown" {
			r.End = math.MaxInt64
		}
		objects[r.Object] = append(objects[r.Object], porcupine.Operation{ClientId: r.Client, Input: r, Call: r.Begin, Return: r.End})
		count++
	}
	check(lines.Err())
	names := make([]string, 0, len(objects))
	for name := range objects {
		names = append(names, name)
	}
	sort.Strings(names)
	failed := false
	for _, name := range names {
		result := porcupine.CheckOperationsTimeout(object(initial[name]), objects[name], time.Minute)
		if result == porcupine.Ok {
			continue
		}
		failed = true
		fmt.Printf("%s: %s\n", name, result)
	}
	if failed {
		os.Exit(1)
	}
	fmt.Printf("%d requests to %d objects are linearizable\n", count, len(names))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
