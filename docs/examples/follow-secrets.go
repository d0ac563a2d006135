// A workload on the plain API, with Go's standard library: go run follow-secrets.go PATH...
//
// It logs in with its pod's token, reads the secrets, waits until one of them changes, reads it again and acknowledges it.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const tries = 4

type object = map[string]any

var (
	api    = os.Getenv("QUAYMASTER_URL") + "/api/v1"
	client = &http.Client{
		Transport: &http.Transport{TLSClientConfig: trusted(), DisableCompression: true},
		// Follows no redirect: the token must not reach another server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
)

func trusted() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	if file := os.Getenv("QUAYMASTER_CA_FILE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(pem)
	}
	return config
}

// The kubelet replaces the file long before its token expires, so the program reads it each time.
func podToken() string {
	text, err := os.ReadFile(os.Getenv("QUAYMASTER_TOKEN_FILE"))
	if err != nil {
		log.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func send(method, path, session string, body object) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, api+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if session != "" {
		request.Header.Set("Authorization", "Bearer "+session)
	}
	return client.Do(request)
}

// All calls below are safe to repeat. Never repeat an unsafe call (a write without If-Match) after a lost answer.
func call(method, path, session string, body object) (answer object, err error) {
	for attempt := range tries {
		var wait time.Duration
		var again bool
		answer, wait, again, err = once(method, path, session, body)
		if !again {
			return answer, err
		}
		// Waits for Retry-After plus a random delay, so that not all pods retry at once.
		spread := time.Duration(rand.Float64() * float64(200*time.Millisecond) * float64(int(1)<<attempt))
		time.Sleep(wait + spread)
	}
	return nil, err
}

func once(method, path, session string, body object) (answer object, wait time.Duration, again bool, err error) {
	response, err := send(method, path, session, body)
	if err != nil {
		return nil, 0, true, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 32<<20))
	if err != nil {
		return nil, 0, true, err
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			// The message does not contain the unreadable text: it may be a secret.
			return nil, 0, false, fmt.Errorf("status %d with something that is not the broker's", response.StatusCode)
		}
	}
	if response.StatusCode < 300 {
		return answer, 0, false, nil
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	err = fmt.Errorf("%v: %v (request %v)", answer["code"], answer["title"], answer["requestId"])
	switch response.StatusCode {
	case 429, 502, 503, 504:
		return nil, time.Duration(seconds) * time.Second, true, err
	}
	return nil, 0, false, err
}

// Calls back with each event until the callback stops it. A comment arrives every 15 seconds: a stream without data for 45 seconds is dead.
func follow(session string, heard func(event string, data object) (bool, error)) error {
	response, err := send("GET", "/events", session, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the event stream answers %d", response.StatusCode)
	}
	silence := time.AfterFunc(45*time.Second, func() { response.Body.Close() })
	defer silence.Stop()
	event := ""
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		silence.Reset(45 * time.Second)
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			event = value
		case "data":
			var data object
			if err := json.Unmarshal([]byte(value), &data); err != nil {
				return err
			}
			if goesOn, err := heard(event, data); err != nil || !goesOn {
				return err
			}
		}
	}
	return lines.Err()
}

func run(paths []string) error {
	login := object{"cluster": os.Getenv("QUAYMASTER_CLUSTER"), "token": podToken()}
	opened, err := call("POST", "/sessions", "", login)
	if err != nil {
		return err
	}
	session := opened["token"].(string)

	items := []object{}
	for _, path := range paths {
		items = append(items, object{"path": path})
	}
	batch, err := call("POST", "/secrets:batch", session, object{"items": items})
	if err != nil {
		return err
	}
	for _, each := range batch["items"].([]any) {
		// item["data"] has the values: give them to the application, print none.
		item := each.(object)
		if failure, failed := item["error"].(object); failed {
			fmt.Println(item["path"], failure["code"])
		} else {
			fmt.Println(item["path"], "version", item["version"])
		}
	}

	err = follow(session, func(event string, data object) (bool, error) {
		if event == "ready" {
			fmt.Println("following")
		}
		if event != "secret.changed" {
			return true, nil
		}
		secret, err := call("GET", "/secrets/"+data["path"].(string), session, nil)
		if err != nil {
			return false, err
		}
		fmt.Printf("%v changed, version %v\n", secret["path"], secret["version"])
		used := object{"path": secret["path"], "version": secret["version"]}
		_, err = call("POST", "/acknowledgements", session, object{"items": []object{used}})
		return false, err
	})
	if err != nil {
		return err
	}

	if _, err := call("POST", "/sessions/self/renew", session, object{"token": podToken()}); err != nil {
		return err
	}
	fmt.Println("renewed")
	_, err = call("DELETE", "/sessions/self", session, nil)
	return err
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}
