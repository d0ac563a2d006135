// Asks a provider as the Secrets Store CSI driver does, with the driver's own client and its own writer of files:
// csi-driver SOCKET ATTRIBUTES-FILE TARGET-DIRECTORY. Prints the versions, one "id version" a line.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"sigs.k8s.io/secrets-store-csi-driver/pkg/util/fileutil"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(socket, attributesFile, target string) error {
	attributes, err := os.ReadFile(attributesFile)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient("unix:"+socket,
		grpc.WithAuthority("localhost"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := v1alpha1.NewCSIDriverProviderClient(conn)
	if _, err := client.Version(ctx, &v1alpha1.VersionRequest{Version: "v1alpha1"}); err != nil {
		return err
	}
	answer, err := client.Mount(ctx, &v1alpha1.MountRequest{
		Attributes: string(attributes), Secrets: "{}", TargetPath: target, Permission: "420",
	})
	if err != nil {
		return err
	}
	if err := fileutil.Validate(answer.GetFiles()); err != nil {
		return err
	}
	if err := fileutil.WritePayloads(target, answer.GetFiles()); err != nil {
		return err
	}
	for _, version := range answer.GetObjectVersion() {
		fmt.Println(version.GetId(), version.GetVersion())
	}
	return nil
}
