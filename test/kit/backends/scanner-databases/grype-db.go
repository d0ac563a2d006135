// Writes a vulnerability database of Grype from a list of vulnerabilities: grype-db DIRECTORY < list.json
package main

import (
	"encoding/json"
	"os"
	"time"

	v6 "github.com/anchore/grype/grype/db/v6"
	_ "github.com/glebarez/sqlite"
	"github.com/spf13/afero"
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

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func fixOf(v vulnerability) (string, *v6.Fix) {
	if v.Fixed == "" {
		return "", &v6.Fix{State: v6.NotFixedStatus}
	}
	return "< " + v.Fixed, &v6.Fix{State: v6.FixedStatus, Version: v.Fixed}
}

func add(writer v6.ReadWriter, providers map[string]*v6.Provider, v vulnerability) {
	published := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	aliases := []string{}
	if v.CVE != "" {
		aliases = append(aliases, v.CVE)
	}
	handle := &v6.VulnerabilityHandle{
		Name: v.ID, Status: v6.VulnerabilityActive, PublishedDate: &published,
		ProviderID: providers[v.Ecosystem].ID, Provider: providers[v.Ecosystem],
		BlobValue: &v6.VulnerabilityBlob{
			ID: v.ID, Description: "Made up for a test", Aliases: aliases,
			Severities: []v6.Severity{{Scheme: v6.SeveritySchemeCHMLN, Value: v.Severity, Rank: 1}},
		},
	}
	check(writer.AddVulnerabilities(handle))
	constraint, fix := fixOf(v)
	affected := &v6.AffectedPackageHandle{
		VulnerabilityID: handle.ID, Vulnerability: handle,
		Package: &v6.Package{Ecosystem: "npm", Name: v.Package},
	}
	kind := "semver"
	if v.Ecosystem == "debian" {
		kind = "dpkg"
		affected.OperatingSystem = &v6.OperatingSystem{Name: "debian", MajorVersion: "12"}
		affected.Package.Ecosystem = "deb"
	}
	affected.BlobValue = &v6.PackageBlob{
		CVEs:   aliases,
		Ranges: []v6.Range{{Version: v6.Version{Type: kind, Constraint: constraint}, Fix: fix}},
	}
	check(writer.AddAffectedPackages(affected))
}

func main() {
	var list []vulnerability
	check(json.NewDecoder(os.Stdin).Decode(&list))
	writer, err := v6.NewWriter(v6.Config{DBDirPath: os.Args[1], CacheSizeKiB: 4096})
	check(err)
	now := time.Now().UTC()
	providers := map[string]*v6.Provider{}
	for ecosystem, id := range map[string]string{"debian": "debian", "npm": "github"} {
		providers[ecosystem] = &v6.Provider{ID: id, Version: "1", Processor: "test", DateCaptured: &now}
		check(writer.AddProvider(*providers[ecosystem]))
	}
	for _, v := range list {
		add(writer, providers, v)
	}
	check(writer.SetDBMetadata())
	check(writer.Close())
	_, err = v6.WriteImportMetadata(afero.NewOsFs(), os.Args[1], "test")
	check(err)
}
