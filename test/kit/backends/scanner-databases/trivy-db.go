// Writes a vulnerability database of Trivy from a list of vulnerabilities: trivy-db DIRECTORY < list.json
package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

type vulnerability struct {
	ID        string
	Ecosystem string // "debian" or "npm"
	Package   string
	Affected  string // a range, for npm
	Fixed     string // empty: there is no fix
	Severity  string
	CVE       string // the CVE of a GHSA
}

const npm = "npm::GitHub Security Advisory npm"

// The names of severities are indices, as in trivy-db.
var severities = map[string]int{"low": 1, "medium": 2, "high": 3, "critical": 4}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func put(tx *bbolt.Tx, buckets []string, key string, value any) {
	bucket, err := tx.CreateBucketIfNotExists([]byte(buckets[0]))
	check(err)
	for _, name := range buckets[1:] {
		bucket, err = bucket.CreateBucketIfNotExists([]byte(name))
		check(err)
	}
	bytes, err := json.Marshal(value)
	check(err)
	check(bucket.Put([]byte(key), bytes))
}

func advisory(v vulnerability) map[string]any {
	switch {
	case v.Ecosystem == "npm":
		return map[string]any{"PatchedVersions": []string{v.Fixed}, "VulnerableVersions": []string{v.Affected}}
	case v.Fixed == "":
		return map[string]any{"Status": 2} // affected
	default:
		return map[string]any{"FixedVersion": v.Fixed}
	}
}

func write(tx *bbolt.Tx, list []vulnerability) {
	source := map[string]any{"ID": "debian", "Name": "Debian Security Tracker", "URL": "https://debian.test"}
	put(tx, []string{"data-source"}, "debian 12", source)
	source = map[string]any{"ID": "ghsa", "Name": "GitHub Security Advisory npm", "URL": "https://ghsa.test"}
	put(tx, []string{"data-source"}, npm, source)
	for _, v := range list {
		bucket, vendor := "debian 12", "debian"
		if v.Ecosystem == "npm" {
			bucket, vendor = npm, "ghsa"
		}
		// Trivy resolves a GHSA when it builds its database: it names findings by the CVE.
		id, details := v.ID, advisory(v)
		if v.CVE != "" {
			id, details["VendorIDs"] = v.CVE, []string{v.ID}
		}
		put(tx, []string{bucket, v.Package}, id, details)
		put(tx, []string{"vulnerability"}, id, map[string]any{
			"Title": "Made up for a test", "Severity": v.Severity,
			"VendorSeverity": map[string]int{vendor: severities[v.Severity]}, "PublishedDate": "2026-10-01T00:00:00Z",
		})
	}
}

func main() {
	var list []vulnerability
	check(json.NewDecoder(os.Stdin).Decode(&list))
	db, err := bbolt.Open(filepath.Join(os.Args[1], "trivy.db"), 0o600, nil)
	check(err)
	check(db.Update(func(tx *bbolt.Tx) error { write(tx, list); return nil }))
	check(db.Close())
	now := time.Now().UTC()
	metadata, err := json.Marshal(map[string]any{
		"Version": 2, "UpdatedAt": now, "NextUpdate": now.Add(24 * time.Hour), "DownloadedAt": now,
	})
	check(err)
	check(os.WriteFile(filepath.Join(os.Args[1], "metadata.json"), metadata, 0o600))
}
