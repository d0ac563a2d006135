// Generated from openapi.yaml by `npm run generate`.
export interface components {
    schemas: {
        /** @description RFC 9457. docs/errors.md explains each code. */
        readonly Problem: {
            readonly type: string;
            readonly title: string;
            readonly status: number;
            readonly code: components["schemas"]["ErrorCode"];
            /** @description A text for people. It never repeats the text of a backend and never reveals whether something exists. */
            readonly detail?: string;
            /** @description The id under which the broker logged the request. */
            readonly requestId: string;
            readonly problems?: readonly components["schemas"]["DocumentProblem"][];
        };
        readonly DocumentProblem: {
            /** @description JSON pointer (RFC 6901) into the body. */
            readonly pointer: string;
            readonly message: string;
            readonly line?: number;
            readonly column?: number;
        };
        /**
         * Format: date-time
         * @description RFC 3339 in UTC, with milliseconds.
         */
        readonly Instant: string;
        /**
         * @description A whole number and one of s, m, h, d.
         * @example 15m
         */
        readonly Duration: string;
        readonly DurationOrNone: string;
        /** @description 1 to 16 segments, none of them "." or "..". */
        readonly SecretPath: string;
        readonly Name: string;
        readonly Id: string;
        /** @description Opaque: the provider's own version, or a keyed digest if it has none. */
        readonly SecretVersionId: string;
        /**
         * @description A service account of Kubernetes, or an identity that an OIDC cluster maps from claims.
         * @example k8s://prod-eu/payments/api
         * @example ci://github/acme/shop/production
         */
        readonly WorkloadName: string;
        readonly IdempotencyKey: string;
        readonly Pod: {
            readonly name: string;
            readonly uid: string;
        };
        /** @description The UID of a pod. */
        readonly PodUid: string;
        readonly KubernetesName: string;
        /** @description Claim values that an OIDC cluster maps, percent-encoded. */
        readonly Identity: readonly string[];
        /** @description A workload of a Kubernetes cluster has `namespace`, `serviceAccount` and `serviceAccountUid`; a workload of an OIDC cluster has `identity`. */
        readonly Workload: {
            readonly identity?: components["schemas"]["Identity"];
            readonly id: components["schemas"]["WorkloadName"];
            readonly cluster: components["schemas"]["Name"];
            readonly namespace?: string;
            readonly serviceAccount?: string;
            readonly serviceAccountUid?: string;
            readonly pod?: components["schemas"]["Pod"];
            readonly node?: {
                readonly name: string;
                readonly uid?: string;
            };
        };
        readonly Session: {
            readonly id: components["schemas"]["Id"];
            readonly workload: components["schemas"]["Workload"];
            readonly createdAt: components["schemas"]["Instant"];
            readonly endsAt: components["schemas"]["Instant"];
            /** @description RFC 7638 thumbprint of the key that the session is bound to; absent if it is not bound. */
            readonly keyThumbprint?: string;
        };
        /**
         * @description What a session that is bound to a key gets instead of JSON: a compact JWE (RFC 7516) of the same JSON, `alg` `ECDH-ES`, `enc`
         *     `A256GCM`, `kid` the key's thumbprint, `cty` `json`, `jti` that of the request's proof.
         */
        readonly SealedAnswer: string;
        readonly LogIn: {
            /** @description The name of a cluster. An unknown name is refused like a token that is not valid. */
            readonly cluster: string;
            /** @description The service-account token of the pod, projected for the broker's audience. Absent for a cluster of type `spiffe`, where the workload logs in with the certificate of its connection. */
            readonly token?: string;
        };
        readonly OpenedSession: {
            /** @description Shown once. */
            readonly token: string;
            readonly session: components["schemas"]["Session"];
            /** @description The present position of the event stream. Send it as `Last-Event-ID` with the first `GET /events`, so that the stream also has the changes between the first read and its own start. */
            readonly eventId: string;
        };
        readonly SessionAnswer: {
            readonly session: components["schemas"]["Session"];
        };
        readonly SessionRenewal: {
            /** @description A current token of the same cluster, service account and pod. Absent for a session of a cluster of type `spiffe`. */
            readonly token?: string;
        };
        readonly Trace: {
            /** @description One leaked value under any key, or the whole secret with every key. At most 1 MiB. */
            readonly data: components["schemas"]["SecretData"];
            readonly pathPrefix?: string;
            /** Format: date-time */
            readonly from?: string;
            /** Format: date-time */
            readonly to?: string;
            /** @default 100 */
            readonly limit?: number;
            /** @description The `next` of the previous page. A page that read 262,144 entries may have fewer items than `limit`, or none, and still have a `next`. */
            readonly after?: string;
        };
        readonly SecretData: {
            readonly [key: string]: string | {
                readonly base64: string;
            };
        };
        readonly SecretKey: string;
        /** @description The time until which the caller may keep the value. Absent for operators. */
        readonly LeaseRight: {
            readonly id: components["schemas"]["Id"];
            readonly endsAt: components["schemas"]["Instant"];
        };
        readonly Disclosure: {
            readonly path: components["schemas"]["SecretPath"];
            readonly version: components["schemas"]["SecretVersionId"];
            readonly data: components["schemas"]["SecretData"];
            readonly createdAt?: components["schemas"]["Instant"];
            /**
             * @description The backend does not answer; this is its last known value.
             * @enum {boolean}
             */
            readonly stale?: true;
            /** @description What posture profiles in the mode `warn` found at the pod of the caller */
            readonly warning?: string;
            readonly lease?: components["schemas"]["LeaseRight"];
        };
        readonly FailedItem: {
            readonly path: components["schemas"]["SecretPath"];
            readonly error: components["schemas"]["Problem"];
        };
        readonly Batch: {
            readonly items: readonly (components["schemas"]["BatchRead"] | components["schemas"]["BatchOrder"])[];
            readonly reason?: components["schemas"]["Reason"];
        };
        readonly BatchRead: {
            readonly path: components["schemas"]["SecretPath"];
            readonly version?: components["schemas"]["SecretVersionId"];
        };
        readonly BatchOrder: {
            readonly path: components["schemas"]["SecretPath"];
            readonly idempotencyKey: components["schemas"]["IdempotencyKey"];
            readonly ttl?: components["schemas"]["Duration"];
        };
        readonly BatchAnswer: {
            readonly items: readonly (components["schemas"]["Disclosure"] | components["schemas"]["FailedItem"])[];
        };
        readonly DocumentBatch: {
            readonly documents: readonly components["schemas"]["DocumentBatchItem"][];
        };
        /** @description With exactly one of `ifMatch` and `ifNoneMatch`. */
        readonly DocumentBatchItem: {
            readonly kind: components["schemas"]["DocumentKind"];
            /** @description The path of a definition; the name of any other document. */
            readonly name: string;
            /** @description The `etag` of the version to replace, with its quotes; `*` for any. */
            readonly ifMatch?: string;
            /**
             * @description Creates the document.
             * @constant
             */
            readonly ifNoneMatch?: "*";
            /** @description The JSON text that the operation for one document takes as its body. A text of its own has the bounds of one document. */
            readonly document: string;
        };
        readonly DocumentBatchAnswer: {
            /** @description In the order of the documents, one for each that was tried. */
            readonly items: readonly (components["schemas"]["AppliedDocument"] | components["schemas"]["FailedDocument"])[];
        };
        readonly AppliedDocument: {
            readonly kind: components["schemas"]["DocumentKind"];
            readonly name: string;
            /**
             * @description With `dryRun`, what the change would do.
             * @enum {string}
             */
            readonly outcome: "created" | "changed" | "unchanged";
            readonly uid: string;
            readonly version: number;
            readonly etag: string;
        };
        readonly FailedDocument: {
            readonly kind: components["schemas"]["DocumentKind"];
            readonly name: string;
            readonly error: components["schemas"]["Problem"];
        };
        /** @enum {string} */
        readonly DocumentKind: "cluster" | "mount" | "policy" | "definition" | "operator" | "role-binding" | "posture-profile" | "response-rule";
        readonly SecretListing: {
            readonly path: components["schemas"]["SecretPath"];
            readonly version?: components["schemas"]["SecretVersionId"];
            /**
             * Format: date-time
             * @description Only of a deleted secret. The broker destroys its versions then; until then it can be restored.
             */
            readonly destroyAt?: string;
            /**
             * @description A decoy. Only for operators that may edit its definition, or that have the role responder without a scope.
             * @enum {boolean}
             */
            readonly decoy?: true;
        };
        readonly SecretPage: {
            readonly items: readonly components["schemas"]["SecretListing"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly SecretWrite: {
            readonly data: components["schemas"]["SecretData"];
            readonly comment?: components["schemas"]["VersionComment"];
            readonly labels?: components["schemas"]["VersionLabels"];
            /**
             * @description How the value came here, as the list of versions shows it.
             * @default put
             * @enum {unknown}
             */
            readonly method?: "put" | "import";
        };
        /** @description Shown with the versions, so never a secret. */
        readonly VersionComment: string;
        /** @description Shown with the versions, so never a secret. */
        readonly VersionLabels: {
            readonly [key: string]: string;
        };
        readonly DeletedSecret: {
            readonly path: components["schemas"]["SecretPath"];
            readonly destroyAt?: components["schemas"]["Instant"];
        };
        readonly SecretRestoration: {
            readonly version?: components["schemas"]["SecretVersionId"];
        };
        readonly SecretDestruction: {
            /** @description Absent: the whole secret. */
            readonly versions?: readonly components["schemas"]["SecretVersionId"][];
        };
        readonly SecretPatch: {
            readonly data: {
                readonly [key: string]: string | {
                    readonly base64: string;
                } | null;
            };
            readonly comment?: components["schemas"]["VersionComment"];
            readonly labels?: components["schemas"]["VersionLabels"];
        };
        readonly WrittenSecret: {
            readonly path: components["schemas"]["SecretPath"];
            readonly version: components["schemas"]["SecretVersionId"];
            /** @description The next rotation of the path replaces this version. */
            readonly rotates: boolean;
        };
        readonly SecretVersionInfo: {
            readonly version: components["schemas"]["SecretVersionId"];
            /** @enum {unknown} */
            readonly state: "current" | "previous" | "deleted" | "destroyed";
            readonly createdAt: components["schemas"]["Instant"];
            readonly createdBy: string;
            /**
             * @description How the version was written; absent for versions of releases before it was kept.
             * @enum {unknown}
             */
            readonly method?: "put" | "patch" | "rotate" | "import";
            readonly comment?: components["schemas"]["VersionComment"];
            readonly labels?: components["schemas"]["VersionLabels"];
            /** @description When a deleted version is destroyed. */
            readonly destroyAt?: components["schemas"]["Instant"];
            readonly destroyedAt?: components["schemas"]["Instant"];
        };
        readonly SecretVersions: {
            readonly items: readonly components["schemas"]["SecretVersionInfo"][];
            /** @description Absent if there is none. */
            readonly customMetadata?: {
                /** @description Number of changes; for `If-Match`. */
                readonly version: number;
                readonly entries: components["schemas"]["CustomMetadata"];
                readonly updatedAt: components["schemas"]["Instant"];
                readonly updatedBy: string;
            };
        };
        /** @description Texts about a secret, never secret themselves. */
        readonly CustomMetadata: {
            readonly [key: string]: components["schemas"]["CustomMetadataValue"];
        };
        /** @description At most 128 bytes of printable characters. */
        readonly CustomMetadataKey: string;
        /** @description At most 512 bytes of printable characters. */
        readonly CustomMetadataValue: string;
        readonly SecretDescription: {
            readonly customMetadata: {
                readonly [key: string]: components["schemas"]["CustomMetadataValue"] | null;
            };
            /**
             * @description Removes all keys that `customMetadata` does not name.
             * @default false
             */
            readonly replace?: boolean;
        };
        readonly DescribedSecret: {
            readonly path: components["schemas"]["SecretPath"];
            /** @description Number of changes; 0 if there is none. */
            readonly metadataVersion: number;
        };
        readonly CredentialOrder: {
            readonly ttl?: components["schemas"]["Duration"];
        };
        readonly RotationRun: {
            readonly comment?: components["schemas"]["Reason"];
            /**
             * @description Needs a comment.
             * @default false
             */
            readonly incident?: boolean;
        };
        readonly RotationRequest: {
            readonly comment?: components["schemas"]["Reason"];
        };
        readonly RotationStepRecord: {
            readonly step: string;
            /** @enum {unknown} */
            readonly outcome: "begun" | "done" | "failed" | "waits" | "asked";
            readonly actor: string;
            /** @description A stable word; for `asked`, the requested action. */
            readonly error?: string;
            readonly at: components["schemas"]["Instant"];
        };
        readonly Rotation: {
            readonly id: components["schemas"]["Id"];
            readonly path: components["schemas"]["SecretPath"];
            /** @enum {unknown} */
            readonly kind: "rotation" | "drill";
            /** @enum {unknown} */
            readonly cause: "schedule" | "requested" | "incident";
            /** @enum {unknown} */
            readonly state: "running" | "parked" | "undoing" | "done" | "aborted" | "rolled_back";
            /** @enum {unknown} */
            readonly step: "create" | "set" | "test" | "canary" | "promote" | "settle" | "retire" | "discard" | "end";
            readonly attempts: number;
            readonly requestedBy: string;
            readonly comment?: string;
            readonly lastError?: string;
            readonly previousVersion?: components["schemas"]["SecretVersionId"];
            readonly version?: components["schemas"]["SecretVersionId"];
            readonly canary?: {
                /** @enum {unknown} */
                readonly stage: "pod" | "share";
                readonly since: components["schemas"]["Instant"];
                readonly pods: readonly string[];
                readonly version: components["schemas"]["SecretVersionId"];
            };
            readonly createdAt: components["schemas"]["Instant"];
            readonly nextAttemptAt?: components["schemas"]["Instant"];
            readonly promotedAt?: components["schemas"]["Instant"];
            readonly settlesUntil?: components["schemas"]["Instant"];
            readonly endedAt?: components["schemas"]["Instant"];
            readonly steps?: readonly components["schemas"]["RotationStepRecord"][];
            readonly target?: components["schemas"]["RotationTargetState"];
        };
        /** @description For a parked rotation, which of the stored values the target accepts. */
        readonly RotationTargetState: {
            readonly current: components["schemas"]["RotationProbe"];
            readonly pending: components["schemas"]["RotationProbe"];
        };
        /** @enum {unknown} */
        readonly RotationProbe: "accepted" | "refused" | "absent" | "unknown";
        readonly RotationStatus: {
            readonly path: components["schemas"]["SecretPath"];
            readonly strategy: string;
            readonly connection?: components["schemas"]["Name"];
            /** @description Why the path cannot rotate at present, as a stable word such as `no_connection`. Absent if it can; then `slots` and `drillable` are present. */
            readonly problem?: string;
            /**
             * @description With one slot, a rotation breaks the connections of holders of the old credential.
             * @enum {unknown}
             */
            readonly slots?: "one" | "two";
            readonly drillable?: boolean;
            /** @description What a rotation changes and tests at the target, as locators such as `roles/app_a`. Absent if the path cannot rotate at present; empty if the rotator names none. */
            readonly accounts?: readonly string[];
            readonly paused: boolean;
            /** @enum {unknown} */
            readonly retire: "afterAcks" | "afterGrace" | "manual";
            /** @description Failures since the last successful rotation or drill. */
            readonly failures: number;
            readonly nextRunAt?: components["schemas"]["Instant"];
            /** @description The next five scheduled runs, or fewer; the first is `nextRunAt`. */
            readonly nextRuns: readonly components["schemas"]["Instant"][];
            readonly nextDrillAt?: components["schemas"]["Instant"];
            readonly rotatedAt?: components["schemas"]["Instant"];
            readonly provenAt?: components["schemas"]["Instant"];
            readonly durationMs?: number;
            readonly active?: components["schemas"]["Rotation"];
            readonly target?: components["schemas"]["RotationTargetState"];
            /** @description The first 200. */
            readonly holders: readonly {
                readonly workload: components["schemas"]["WorkloadName"];
                readonly podUid?: string;
                readonly versions: readonly components["schemas"]["SecretVersionId"][];
                readonly acknowledged?: {
                    readonly version: components["schemas"]["SecretVersionId"];
                    /** @enum {unknown} */
                    readonly outcome: "ok" | "failed";
                    readonly reason?: string;
                    readonly at: components["schemas"]["Instant"];
                };
            }[];
            readonly holderCount: number;
        };
        readonly ListedRotation: {
            readonly path: components["schemas"]["SecretPath"];
            readonly failures: number;
            readonly nextRunAt?: components["schemas"]["Instant"];
            readonly nextDrillAt?: components["schemas"]["Instant"];
            readonly rotatedAt?: components["schemas"]["Instant"];
            readonly provenAt?: components["schemas"]["Instant"];
            readonly durationMs?: number;
            readonly active?: components["schemas"]["Rotation"];
        };
        readonly RotationPage: {
            readonly items: readonly components["schemas"]["ListedRotation"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly RotationHistory: {
            readonly items: readonly components["schemas"]["Rotation"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly Acknowledgements: {
            /** @description Each path once. */
            readonly items: readonly {
                readonly path: components["schemas"]["SecretPath"];
                readonly version: components["schemas"]["SecretVersionId"];
                /**
                 * @default ok
                 * @enum {unknown}
                 */
                readonly outcome?: "ok" | "failed";
                /** @description A word that the holder chooses, for failures. The broker records it, so it must not contain the secret. */
                readonly reason?: string;
            }[];
        };
        readonly AcknowledgementsAnswer: {
            readonly items: readonly ({
                readonly path: components["schemas"]["SecretPath"];
                readonly version: components["schemas"]["SecretVersionId"];
                /** @description Leases on older versions that this acknowledgement ended. */
                readonly endedLeases: number;
            } | components["schemas"]["FailedItem"])[];
        };
        readonly Lease: {
            readonly id: components["schemas"]["Id"];
            readonly workload: components["schemas"]["WorkloadName"];
            readonly podUid?: string;
            readonly path: components["schemas"]["SecretPath"];
            readonly version: components["schemas"]["SecretVersionId"];
            /** @enum {unknown} */
            readonly kind: "static" | "dynamic";
            /** @enum {unknown} */
            readonly state: "live" | "ended";
            /** @enum {unknown} */
            readonly cause?: "expired" | "released" | "revoked" | "superseded" | "pod_ended" | "session_ended";
            readonly issuedAt: components["schemas"]["Instant"];
            readonly endsAt: components["schemas"]["Instant"];
            readonly maxEndsAt: components["schemas"]["Instant"];
        };
        readonly LeasePage: {
            readonly items: readonly components["schemas"]["Lease"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly LeaseRenewal: {
            readonly ttl?: components["schemas"]["Duration"];
        };
        /** @description Exactly one of five ways to select. A path includes everything below it, by whole segments. */
        readonly LeaseRevocation: {
            /** @constant */
            readonly by: "id";
            readonly id: components["schemas"]["Id"];
            readonly comment?: components["schemas"]["Remark"];
        } | {
            /** @constant */
            readonly by: "path";
            readonly path: components["schemas"]["SecretPath"];
            readonly comment?: components["schemas"]["Remark"];
        } | {
            /** @constant */
            readonly by: "workload";
            readonly workload: components["schemas"]["WorkloadName"];
            readonly comment?: components["schemas"]["Remark"];
        } | {
            /** @constant */
            readonly by: "pod";
            readonly pod: components["schemas"]["PodUid"];
            readonly comment?: components["schemas"]["Remark"];
        } | {
            /** @constant */
            readonly by: "mount";
            readonly mount: components["schemas"]["Name"];
            readonly comment?: components["schemas"]["Remark"];
        };
        /** @description Send it as `after` for the next page; absent on the last page. */
        readonly Next: string;
        /** @description The reason, for people, without control characters. The broker records it in the log. */
        readonly Remark: string;
        readonly SealOrder: {
            readonly reason: components["schemas"]["Reason"];
        };
        readonly Sealed: {
            /** @enum {boolean} */
            readonly sealed: true;
        };
        /** @description The reason, without control characters. The broker records it in the log. */
        readonly Reason: string;
        /** @example 10.0.0.0/8 */
        readonly CidrBlock: string;
        /**
         * @example 10.0.0.7
         * @example 2001:db8::7
         */
        readonly IpAddress: string;
        readonly TimeOfDay: string;
        /** @example Europe/Zurich */
        readonly TimeZone: string;
        readonly RevokedLeases: {
            /** @description Leases without a credential at a backend. They have ended. */
            readonly revoked: number;
            /**
             * @description Leases over a credential that its backend still has to revoke: it may work until then. `GET /revocations` lists what is not
             *     done yet.
             */
            readonly revoking: number;
        };
        readonly SessionPage: {
            readonly items: readonly components["schemas"]["ListedSession"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly ListedSession: {
            readonly id: components["schemas"]["Id"];
            readonly workload: components["schemas"]["WorkloadName"];
            readonly pod?: components["schemas"]["Pod"];
            /** @description The address of the login */
            readonly source: string;
            readonly createdAt: components["schemas"]["Instant"];
            readonly endsAt: components["schemas"]["Instant"];
            /** @description RFC 7638 thumbprint of the key that the session is bound to. */
            readonly keyThumbprint?: string;
        };
        readonly SessionSelection: {
            /** @constant */
            readonly by: "id";
            readonly id: components["schemas"]["Id"];
            readonly comment?: components["schemas"]["Remark"];
        } | {
            /** @constant */
            readonly by: "pod";
            readonly cluster: components["schemas"]["Name"];
            readonly pod: components["schemas"]["PodUid"];
            readonly comment?: components["schemas"]["Remark"];
        } | {
            /** @constant */
            readonly by: "workload";
            readonly workload: components["schemas"]["WorkloadName"];
            readonly comment?: components["schemas"]["Remark"];
        } | {
            /** @constant */
            readonly by: "cluster";
            readonly cluster: components["schemas"]["Name"];
            readonly comment?: components["schemas"]["Remark"];
        } | {
            /** @constant */
            readonly by: "source";
            readonly source: components["schemas"]["CidrBlock"];
            readonly comment?: components["schemas"]["Remark"];
        };
        readonly Ended: {
            readonly sessions: number;
            /** @description Leases without a credential at a backend. They have ended. */
            readonly revoked: number;
            /** @description Leases whose credential the backend still has to revoke; `GET /revocations` lists them until they are revoked. */
            readonly revoking: number;
            /** @description Closed event streams of these sessions at the answering replica. Other replicas close theirs too. */
            readonly streams: number;
        };
        readonly QuarantineWish: {
            /** @constant */
            readonly kind: "workload";
            readonly workload: components["schemas"]["WorkloadName"];
            readonly reason: components["schemas"]["Reason"];
            readonly duration?: components["schemas"]["Duration"];
        } | {
            /** @constant */
            readonly kind: "pod";
            readonly cluster: components["schemas"]["Name"];
            readonly pod: components["schemas"]["PodUid"];
            readonly reason: components["schemas"]["Reason"];
            readonly duration?: components["schemas"]["Duration"];
        } | {
            /** @constant */
            readonly kind: "operator";
            readonly operator: components["schemas"]["Name"] | components["schemas"]["PersonName"];
            readonly reason: components["schemas"]["Reason"];
            readonly duration?: components["schemas"]["Duration"];
        };
        readonly BreakGlassWish: {
            /** @description Not `evidence-writer`: evidence would outlive the elevation. */
            readonly role: components["schemas"]["Role"];
            /** @description Path prefixes; none: everywhere. The role admin has no scope. */
            readonly scope?: readonly string[];
            /** @description How long the role lasts after the approval: at most 4h; 1h if absent. */
            readonly duration?: components["schemas"]["Duration"];
            readonly reason: components["schemas"]["Reason"];
        };
        readonly ApprovalDecision: {
            readonly reason?: components["schemas"]["Reason"];
        };
        readonly ApprovalRule: {
            readonly required: components["schemas"]["ApprovalSubjects"];
        };
        /**
         * @description The grants that need an approval: a role, a role without a scope (`secret-editor:unscoped`), or the registration of a cluster. Empty:
         *     none. Otherwise `admin` is one of them.
         */
        readonly ApprovalSubjects: readonly ("admin" | "policy-editor" | "secret-editor" | "secret-reader" | "rotator" | "responder" | "evidence-writer" | "auditor" | "policy-editor:unscoped" | "secret-editor:unscoped" | "secret-reader:unscoped" | "rotator:unscoped" | "responder:unscoped" | "evidence-writer:unscoped" | "auditor:unscoped" | "cluster")[];
        readonly ApprovalList: {
            readonly items: readonly components["schemas"]["Approval"][];
            readonly required: components["schemas"]["ApprovalSubjects"];
        };
        /** @description Has either `change` or `elevation`. */
        readonly Approval: {
            readonly id: components["schemas"]["Id"];
            /** @enum {unknown} */
            readonly state: "pending" | "approved";
            readonly requester: string;
            readonly change?: {
                /** @enum {unknown} */
                readonly kind: "operator" | "role-binding" | "operator-token" | "cluster" | "approvals";
                readonly name: string;
                /** @description The request as it was sent */
                readonly body: unknown;
            };
            readonly elevation?: {
                readonly role: components["schemas"]["Role"];
                readonly scope: readonly string[];
                readonly seconds: number;
                readonly reason: components["schemas"]["Remark"];
            };
            readonly approvedBy?: string;
            readonly createdAt: components["schemas"]["Instant"];
            /** @description When the request expires, the approved change can no longer be made, or the elevation ends */
            readonly endsAt: components["schemas"]["Instant"];
            /**
             * @description Documents that were written under the elevation and that no operator has confirmed. `atEnd` says what its end does to each. Only the answer for
             *     one elevation has them.
             */
            readonly documents?: readonly {
                readonly kind: string;
                readonly name: string;
                readonly version: number;
                /** @enum {unknown} */
                readonly atEnd: "deleted" | "restored" | "kept";
            }[];
        };
        readonly DocumentConfirmation: {
            readonly documents: readonly {
                /** @enum {unknown} */
                readonly kind: "policy" | "definition" | "posture-profile" | "response-rule";
                readonly name: string;
                readonly version: number;
            }[];
            readonly reason?: components["schemas"]["Reason"];
        };
        readonly Quarantine: {
            readonly id: components["schemas"]["Id"];
            /** @enum {unknown} */
            readonly kind: "workload" | "pod" | "operator";
            /** @description The name of a workload (`k8s://…`, `ci://…`), `<cluster>/<pod UID>`, or the name of an operator. */
            readonly subject: string;
            readonly reason: components["schemas"]["Remark"];
            readonly createdBy: string;
            readonly createdAt: components["schemas"]["Instant"];
            readonly until?: components["schemas"]["Instant"];
            /** @description The name of the pod, in a list; absent if it never read a secret and is gone. */
            readonly pod?: {
                readonly namespace: string;
                readonly name: string;
            };
            /**
             * @description Only new secrets are refused, until an operator decides on the alert.
             * @enum {boolean}
             */
            readonly suspended?: true;
            /** @description The alert whose response made it. */
            readonly alert?: components["schemas"]["Id"];
        };
        readonly Backup: {
            /** @description The archive is `<name>.age`, its manifest `<name>.manifest`, in the backup directory */
            readonly name: string;
            readonly createdAt: components["schemas"]["Instant"];
            /** @description Size of the encrypted archive */
            readonly bytes: number;
            /** @description Audit entries that the backup contains */
            readonly entries: number;
            readonly recipients: readonly string[];
        };
        readonly KekRetirement: {
            /** @description The id of the key, as `GET /api/v1/keys` shows it */
            readonly kek: string;
            readonly reason: components["schemas"]["Reason"];
        };
        readonly KeyRotation: {
            readonly reason: components["schemas"]["Reason"];
            /**
             * @description Others know the root key. Every value is encrypted again under a new data key.
             * @default false
             */
            readonly compromised?: boolean;
        };
        readonly KeyStatus: {
            /** @description A new root key is not active yet, or rows still need an older one */
            readonly rotating: boolean;
            /** @description The root keys and, if the store keeps it, the key of the audit log (`log`), oldest first */
            readonly keys: readonly components["schemas"]["RootKey"][];
            /** @description The key-encryption keys of the configuration, and others that wrap a root key */
            readonly keks: readonly components["schemas"]["KeyEncryptionKey"][];
            readonly rewrap?: components["schemas"]["RewrapReport"];
        };
        readonly RootKey: {
            readonly id: string;
            /** @enum {string} */
            readonly state: "pending" | "replacing" | "active" | "retired" | "compromised" | "log";
            readonly createdAt: components["schemas"]["Instant"];
            /** @description Encryptions under this key, counted ahead in steps. Absent for the key of the audit log, which encrypts nothing. */
            readonly seals?: number;
            /** @description The key-encryption keys that can open it */
            readonly keks: readonly string[];
            /** @description Versions of embedded secrets whose data key it wraps */
            readonly versions: number;
        };
        readonly KeyEncryptionKey: {
            readonly id: string;
            /** @description The configuration of the broker that answers has it */
            readonly configured: boolean;
            /** @description The error code of its last use, if that failed */
            readonly problem?: string;
        };
        readonly RewrapReport: {
            /** @description The root key that the rows get */
            readonly rootKey: string;
            readonly startedAt: components["schemas"]["Instant"];
            readonly updatedAt: components["schemas"]["Instant"];
            readonly finishedAt?: components["schemas"]["Instant"];
            /** @description The table in progress */
            readonly table?: string;
            /** @description Rows that the last pass looked at */
            readonly checked: number;
            readonly rewrapped: number;
            /** @description Values that got a new data key */
            readonly reencrypted: number;
            /** @description What a copy of the store from before the rotation still opens with the old keys */
            readonly exposed?: {
                readonly before: components["schemas"]["Instant"];
                /** @description Values of embedded secrets that are still current */
                readonly values: number;
                /** @description Their paths, at most 100 */
                readonly paths: readonly string[];
                /** @description Dynamic credentials that were kept for a repeated request */
                readonly credentials: number;
                /** @description Their leases, at most 100 */
                readonly issued: readonly {
                    readonly lease: components["schemas"]["Id"];
                    readonly path: string;
                }[];
            };
        };
        readonly ArchiveRequest: {
            /**
             * Format: date-time
             * @description Entries that were recorded before this time are archived. Without it, those older than the days of the configuration.
             */
            readonly before?: string;
            /**
             * @description Only say what a run would archive.
             * @default false
             */
            readonly dryRun?: boolean;
            /** @description Recorded in the entry that signs the truncation */
            readonly reason: string;
        };
        readonly ArchiveRun: {
            /** @enum {string} */
            readonly state: "planned" | "running" | "done" | "failed";
            /** @enum {string} */
            readonly step: "write" | "sign" | "remove";
            /** @description Entries from `first` up to before `end` are archived. */
            readonly first: number;
            readonly end: number;
            /**
             * @description What keeps older entries in the store, a sink that does not have them, or the newest 512 entries, which always stay
             * @enum {string}
             */
            readonly limitedBy?: "sink" | "newest";
            /** @description Entries in verified objects */
            readonly done: number;
            readonly total: number;
            readonly startedAt?: components["schemas"]["Instant"];
            readonly finishedAt?: components["schemas"]["Instant"];
            /** @description What failed and what to do, if the state is `failed` */
            readonly error?: string;
        };
        readonly AuditArchive: {
            /** @description The directory or bucket; absent if the configuration has no archive */
            readonly place?: string;
            readonly keepDays?: number;
            /** @description Absent if the store has the whole log */
            readonly truncation?: {
                /** @description Index of the entry that signs the newest truncation */
                readonly index: number;
                /** @description The live log begins with this entry. */
                readonly end: number;
                readonly time: components["schemas"]["Instant"];
                /** @description The operator or the part of the broker that archived */
                readonly actor: string;
            };
            readonly run?: components["schemas"]["ArchiveRun"];
        };
        readonly ArchiveObject: {
            readonly name: string;
            /** @description It has the entries from `first` up to before `end`. */
            readonly first: number;
            readonly end: number;
            /** @description Of its bytes, hexadecimal */
            readonly sha256: string;
            /** @description The directory or bucket */
            readonly place: string;
        };
        readonly BackupRun: {
            /** @enum {string} */
            readonly state: "running" | "done" | "failed";
            /** @enum {string} */
            readonly step: "copy" | "verify" | "encrypt";
            /** @description Pages or rows copied, or bytes encrypted */
            readonly done: number;
            /** @description Pages to copy; 0 if it is not known */
            readonly total: number;
            readonly startedAt: components["schemas"]["Instant"];
            readonly finishedAt?: components["schemas"]["Instant"];
            readonly backup?: components["schemas"]["Backup"];
            /** @description What failed and what to do, if the state is `failed` */
            readonly error?: string;
        };
        readonly ConfigurationInUse: {
            /** @description 1 at the start of the process; each reload that changes a setting adds 1 */
            readonly generation: number;
            /** @description SHA-256 of all settings, with defaults and environment. Replicas with the same settings have the same digest. */
            readonly digest: string;
            readonly loadedAt: components["schemas"]["Instant"];
            /** @description All settings in use, with defaults and environment; only in answers of `readConfiguration`. Absent in answers of earlier brokers. A setting names the file that has a secret, and no setting is one. Addresses are without user, path and query. */
            readonly settings?: {
                readonly [key: string]: unknown;
            };
            /** @description The last reload failed; the configuration before it is in use */
            readonly failure?: {
                readonly at: components["schemas"]["Instant"];
                /** @description Every problem, as `quaymaster config check` prints it */
                readonly detail: string;
            };
        };
        readonly BackupList: {
            readonly items: readonly components["schemas"]["Backup"][];
            readonly run?: components["schemas"]["BackupRun"];
        };
        readonly QuarantineList: {
            readonly items: readonly components["schemas"]["Quarantine"][];
        };
        readonly CreatedQuarantine: {
            readonly quarantine: components["schemas"]["Quarantine"];
            readonly ended: components["schemas"]["Ended"];
        };
        readonly Revocation: {
            readonly credential: components["schemas"]["Id"];
            readonly lease: components["schemas"]["Id"];
            readonly workload: components["schemas"]["WorkloadName"];
            readonly path: components["schemas"]["SecretPath"];
            /** @enum {unknown} */
            readonly state: "revoking" | "irrevocable" | "expiring";
            readonly attempts: number;
            readonly lastError?: string;
            readonly nextAttemptAt?: components["schemas"]["Instant"];
            readonly endsAt: components["schemas"]["Instant"];
        };
        readonly RevocationPage: {
            readonly items: readonly components["schemas"]["Revocation"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly RetriedRevocation: {
            readonly credential: components["schemas"]["Id"];
        };
        /** @description A person by issuer and subject; the subject is percent-encoded. */
        readonly PersonName: string;
        readonly SecurityKey: {
            readonly id: components["schemas"]["Id"];
            readonly person: components["schemas"]["PersonName"];
            readonly label: string;
            readonly createdAt: components["schemas"]["Instant"];
            readonly usedAt?: components["schemas"]["Instant"];
        };
        readonly SecurityKeyList: {
            readonly items: readonly components["schemas"]["SecurityKey"][];
            /**
             * @description How the caller proves the second factor; absent for operator tokens.
             * @enum {string}
             */
            readonly secondFactor?: "issuer" | "webauthn";
            /** @description When the caller last proved a key in this session. */
            readonly provenAt?: components["schemas"]["Instant"];
        };
        readonly SecurityKeyOrder: {
            /** @constant */
            readonly purpose: "register";
            /** @description The name of the new key. */
            readonly label: string;
        } | {
            /** @constant */
            readonly purpose: "prove";
        };
        readonly BegunSecurityKey: {
            /** @enum {string} */
            readonly purpose: "register" | "prove";
            readonly label?: string;
            /** @description Base64url. */
            readonly challenge: string;
            readonly until: components["schemas"]["Instant"];
            /** @description The page on which the browser asks for the key. */
            readonly address: string;
            readonly rpId: string;
            readonly person: components["schemas"]["PersonName"];
            /** @description The user handle, in base64url. */
            readonly userId: string;
            /** @description COSE algorithms of new keys, the best first. */
            readonly algorithms: readonly number[];
            /** @description Credential ids of the keys that the person has. */
            readonly credentials: readonly string[];
        };
        /** @description What the browser returned, in the JSON form of WebAuthn and in base64url. */
        readonly SecurityKeyAnswer: {
            readonly id: string;
            readonly clientDataJSON: string;
            readonly attestationObject: string;
        } | {
            readonly id: string;
            readonly clientDataJSON: string;
            readonly authenticatorData: string;
            readonly signature: string;
        };
        readonly SecurityKeyRemoval: {
            /** @description Needed for the key of another person; recorded in the audit log. */
            readonly reason?: components["schemas"]["Reason"];
        };
        readonly LoginOrder: {
            readonly issuer: components["schemas"]["Name"];
            /** @description A loopback address with the path `/callback`. */
            readonly redirectUri?: string;
            /** @description Whether the login must satisfy dangerous operations. */
            readonly stepUp?: boolean;
            /** @description RFC 7638 thumbprint of the key that the session will be bound to. The login is then finished with a proof of this key. */
            readonly keyThumbprint?: string;
        };
        readonly BegunLogin: {
            /** @description Opaque; send it back to finish the login. */
            readonly login: string;
            readonly until: components["schemas"]["Instant"];
            /** @description The address that the browser opens. */
            readonly address?: string;
            readonly device?: {
                readonly userCode: string;
                readonly verificationUri: string;
                readonly intervalSeconds: number;
            };
        };
        readonly LoginAnswer: {
            readonly login: string;
            /** @description The query of the redirect; absent in the device flow. */
            readonly answer?: string;
        };
        readonly FinishedLogin: {
            readonly token: string;
            readonly id: components["schemas"]["Id"];
            readonly operator: components["schemas"]["PersonName"];
            readonly endsAt: components["schemas"]["Instant"];
            /** @description RFC 7638 thumbprint of the key that the session is bound to. If absent, the token is a bearer token, which is enough alone. */
            readonly keyThumbprint?: string;
        };
        readonly PendingLogin: {
            readonly pending: boolean;
        };
        readonly LoginSelection: {
            readonly person: components["schemas"]["PersonName"];
        };
        readonly EndedLogins: {
            readonly ended: number;
        };
        readonly ImageDigest: string;
        readonly AttestationPush: {
            /** @description The image. Needed if the statement is about several. */
            readonly digest?: components["schemas"]["ImageDigest"];
            readonly attestation: components["schemas"]["AttestationContent"];
        };
        /** @description A Sigstore bundle of version 0.3, or `payload` and `signature` (base64) of a simple signing. A keyless one has `certificate` (PEM) and `rekorBundle` too, as in the annotations of cosign 2. */
        readonly AttestationContent: {
            readonly [key: string]: unknown;
        };
        readonly Attestation: {
            readonly id: components["schemas"]["Id"];
            readonly digest: components["schemas"]["ImageDigest"];
            /** @description `signature`, or the predicate type of the statement */
            readonly type: string;
            readonly bytes: number;
            /** @description Of which a simple signing is */
            readonly repository?: string;
            /** @description The builder that a provenance names */
            readonly builder?: string;
            /** @description Repositories for whose images it counts; absent if it counts for all */
            readonly scope?: readonly string[];
            /**
             * Format: date-time
             * @description When the scan of a vulnerability attestation ended
             */
            readonly scannedAt?: string;
            /** Format: date-time */
            readonly createdAt: string;
            readonly createdBy: string;
        };
        readonly AttestationPage: {
            readonly items: readonly components["schemas"]["Attestation"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly AcceptedAttestation: {
            readonly id: components["schemas"]["Id"];
            readonly digest: components["schemas"]["ImageDigest"];
            /** @description `signature`, or the predicate type of the statement */
            readonly type: string;
            readonly bytes: number;
            /** @description Of which a simple signing is */
            readonly repository?: string;
            /** @description The builder that a provenance names */
            readonly builder?: string;
            /** @description Repositories for whose images it counts; absent if it counts for all */
            readonly scope?: readonly string[];
            /**
             * Format: date-time
             * @description When the scan of a vulnerability attestation ended
             */
            readonly scannedAt?: string;
            /** Format: date-time */
            readonly createdAt: string;
            readonly createdBy: string;
            /** @description The authorities of all posture profiles that signed it */
            readonly acceptedBy: readonly {
                readonly profile: string;
                readonly authority: string;
            }[];
        };
        readonly WholeAttestation: {
            readonly id: components["schemas"]["Id"];
            readonly digest: components["schemas"]["ImageDigest"];
            /** @description `signature`, or the predicate type of the statement */
            readonly type: string;
            readonly bytes: number;
            /** @description Of which a simple signing is */
            readonly repository?: string;
            /** @description The builder that a provenance names */
            readonly builder?: string;
            /** @description Repositories for whose images it counts; absent if it counts for all */
            readonly scope?: readonly string[];
            /**
             * Format: date-time
             * @description When the scan of a vulnerability attestation ended
             */
            readonly scannedAt?: string;
            /** Format: date-time */
            readonly createdAt: string;
            readonly createdBy: string;
            /** @description The authorities of all posture profiles that signed it */
            readonly acceptedBy: readonly {
                readonly profile: string;
                readonly authority: string;
            }[];
            readonly attestation: components["schemas"]["AttestationContent"];
        };
        /** @enum {string} */
        readonly EvidenceKind: "vulnerabilities" | "secrets" | "vex";
        readonly EvidenceDigest: string;
        readonly PushedReport: {
            /** @description The text of the report, at most 1 MiB */
            readonly report: string;
            /**
             * @description Without it, the broker finds it by the content
             * @enum {string}
             */
            readonly format?: "trivy" | "trivy-operator" | "grype" | "clair" | "cyclonedx" | "openvex" | "cosign-vuln";
            /** @description Digests of the image, if the report has none or not all of them */
            readonly image?: readonly components["schemas"]["EvidenceDigest"][];
            /** @description What the scan looked for, if the report does not show it */
            readonly covers?: readonly ("vulnerabilities" | "secrets")[];
        };
        readonly PushedEvidence: {
            readonly items: readonly components["schemas"]["CountedEvidence"][];
        };
        readonly Evidence: {
            readonly id: components["schemas"]["Id"];
            readonly kind: components["schemas"]["EvidenceKind"];
            readonly scanner: string;
            /** @description Absent if the report does not say */
            readonly scannerVersion?: string;
            /** @description All digests of the image */
            readonly digests: readonly components["schemas"]["EvidenceDigest"][];
            /** @description The operator or workload that sent it, or `watch:<cluster>` */
            readonly writer: string;
            /** @description Prefixes of image repositories. It counts only for containers whose image is from one of them; absent, for all. */
            readonly scope?: readonly string[];
            readonly reportedAt: components["schemas"]["Instant"];
            readonly receivedAt: components["schemas"]["Instant"];
        };
        readonly CountedEvidence: {
            readonly id: components["schemas"]["Id"];
            readonly kind: components["schemas"]["EvidenceKind"];
            readonly scanner: string;
            /** @description Absent if the report does not say */
            readonly scannerVersion?: string;
            /** @description All digests of the image */
            readonly digests: readonly components["schemas"]["EvidenceDigest"][];
            /** @description The operator or workload that sent it, or `watch:<cluster>` */
            readonly writer: string;
            /** @description Prefixes of image repositories. It counts only for containers whose image is from one of them; absent, for all. */
            readonly scope?: readonly string[];
            readonly reportedAt: components["schemas"]["Instant"];
            readonly receivedAt: components["schemas"]["Instant"];
            /** @description How many findings it has */
            readonly count: number;
        };
        readonly EvidencePage: {
            readonly items: readonly components["schemas"]["Evidence"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly EvidenceDetails: {
            readonly id: components["schemas"]["Id"];
            readonly kind: components["schemas"]["EvidenceKind"];
            readonly scanner: string;
            /** @description Absent if the report does not say */
            readonly scannerVersion?: string;
            /** @description All digests of the image */
            readonly digests: readonly components["schemas"]["EvidenceDigest"][];
            /** @description The operator or workload that sent it, or `watch:<cluster>` */
            readonly writer: string;
            /** @description Prefixes of image repositories. It counts only for containers whose image is from one of them; absent, for all. */
            readonly scope?: readonly string[];
            readonly reportedAt: components["schemas"]["Instant"];
            readonly receivedAt: components["schemas"]["Instant"];
            readonly count: number;
            /** @description Whether the operating system of the image gets no security updates any more */
            readonly osEndOfLife?: boolean;
            readonly databaseBuiltAt?: components["schemas"]["Instant"];
            readonly findings: readonly components["schemas"]["EvidenceFinding"][];
        };
        readonly EvidenceFinding: {
            /** @description The vulnerability, or the rule that found a secret */
            readonly id: string;
            readonly aliases?: readonly string[];
            readonly severity?: components["schemas"]["Severity"];
            /** @description The package URL, or the file with the secret */
            readonly place: string;
            readonly fixable?: boolean;
            readonly fixedVersion?: string;
            readonly publishedAt?: components["schemas"]["Instant"];
            /**
             * @description What VEX says
             * @enum {string}
             */
            readonly state?: "not_affected" | "fixed" | "affected" | "under_investigation";
        };
        readonly PostureQuestion: {
            readonly cluster: components["schemas"]["Name"];
            readonly namespace: components["schemas"]["KubernetesName"];
            readonly pod: components["schemas"]["KubernetesName"];
        } | {
            readonly cluster: components["schemas"]["Name"];
            readonly namespace: components["schemas"]["KubernetesName"];
            readonly manifest: Record<string, unknown>;
        };
        readonly ExplainedPostures: {
            readonly items: readonly components["schemas"]["ExplainedPosture"][];
        };
        readonly ExplainedPosture: {
            /** @description What the profiles read about the images of the pod */
            readonly evidence: readonly components["schemas"]["CountedEvidence"][];
            /** @description Kind, namespace if the object names one, and name, such as `Deployment shop/web` */
            readonly pod: string;
            /** @description Whether the broker knows the pod now */
            readonly known: boolean;
            readonly profiles: readonly {
                readonly name: string;
                readonly version: number;
                /** @enum {string} */
                readonly mode: "enforce" | "warn" | "audit";
                /** @description The secrets that the profile is for; empty: all */
                readonly secretPaths: readonly string[];
                readonly met: boolean;
                readonly findings: readonly components["schemas"]["PostureFinding"][];
                /** @description The signatures and attestations that counted */
                readonly trusted: readonly components["schemas"]["TrustedImage"][];
            }[];
        };
        readonly SurveyedPods: {
            readonly items: readonly components["schemas"]["SurveyedPod"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly SurveyedPod: {
            readonly workload: string;
            readonly pod: {
                readonly name: string;
                readonly uid: string;
            };
            /** @description Whether the broker knows the pod now */
            readonly known: boolean;
            readonly met: boolean;
            readonly findings: readonly components["schemas"]["PostureFinding"][];
        };
        readonly PostureFinding: {
            readonly code: string;
            /**
             * @description Only `fail` and `unknown` stand between the pod and its secrets.
             * @enum {string}
             */
            readonly status: "fail" | "unknown" | "excepted" | "tolerated";
            readonly container?: string;
            /** @description JSON pointer into the pod */
            readonly pointer?: string;
            readonly message: string;
        };
        readonly TrustedImage: {
            readonly container: string;
            readonly digest: string;
            /** @description The authority of the profile that signed */
            readonly authority: string;
            /** @description The id of the key, or issuer and subject */
            readonly signer: string;
            readonly type: string;
            readonly attestation: components["schemas"]["Id"];
        };
        /** @description The token ends no later than the one that mints it, is accepted from no more networks, and carries no more of the same operator. */
        readonly OperatorTokenOrder: {
            /** @description Absent: one hour, or until the creating token expires. */
            readonly ttl?: components["schemas"]["Duration"];
            /** @description Limits the token to a part of the grants of the operator; absent: all of them. */
            readonly grants?: readonly components["schemas"]["Grant"][];
            readonly sourceCidrs?: readonly components["schemas"]["CidrBlock"][];
            readonly description?: string;
        };
        readonly OperatorToken: {
            readonly id: components["schemas"]["Id"];
            readonly operator: components["schemas"]["Name"];
            readonly grants?: readonly components["schemas"]["Grant"][];
            readonly sourceCidrs: readonly string[];
            readonly description?: string;
            /** @description The operator or person that created it; absent in tokens of `quaymaster init` */
            readonly mintedBy?: string;
            /**
             * @description The rights of the token now: those that its operator has had without interruption since the token was created. A later change of
             *     the operator gives it none.
             */
            readonly carries: readonly components["schemas"]["Grant"][];
            readonly createdAt: components["schemas"]["Instant"];
            readonly endsAt: components["schemas"]["Instant"];
        };
        readonly OwnToken: {
            readonly id: components["schemas"]["Id"];
            /** @description The name of an operator, or a person as `oidc:<issuer>/<subject>`. */
            readonly operator: string;
            /** @description The grants that its operator has had without interruption since the token was created, and that the token names. */
            readonly grants: readonly components["schemas"]["Grant"][];
            readonly sourceCidrs: readonly string[];
            readonly endsAt: components["schemas"]["Instant"];
            /** @description RFC 7638 thumbprint of the key that the session is bound to. If absent, the token is a bearer token, which is enough alone. */
            readonly keyThumbprint?: string;
        };
        readonly CreatedOperatorToken: {
            /** @description Shown once. */
            readonly token: string;
            readonly id: components["schemas"]["Id"];
            readonly operator: components["schemas"]["Name"];
            readonly grants?: readonly components["schemas"]["Grant"][];
            readonly sourceCidrs: readonly string[];
            readonly description?: string;
            readonly mintedBy?: string;
            readonly createdAt: components["schemas"]["Instant"];
            readonly endsAt: components["schemas"]["Instant"];
        };
        readonly OperatorTokens: {
            readonly items: readonly components["schemas"]["OperatorToken"][];
        };
        readonly EnrolmentCode: {
            /** @description The code, `qme_…`. It cannot be read again */
            readonly code: string;
            /** Format: date-time */
            readonly endsAt: string;
        };
        readonly ClusterJoin: {
            readonly code: string;
            /** @description A token of the declared account for the API server. It is not kept */
            readonly token: string;
        };
        readonly JoinedCluster: {
            readonly cluster: components["schemas"]["Name"];
            /**
             * Format: date-time
             * @description The end of the credential unless it is renewed
             */
            readonly endsAt: string;
        };
        readonly EnrolmentList: {
            readonly items: readonly {
                readonly cluster: components["schemas"]["Name"];
                /**
                 * Format: date-time
                 * @description The end of the open code
                 */
                readonly codeEndsAt?: string;
                /**
                 * Format: date-time
                 * @description The end of the credential unless it is renewed
                 */
                readonly credentialEndsAt?: string;
                /**
                 * Format: date-time
                 * @description The next renewal
                 */
                readonly renewsAt?: string;
            }[];
        };
        readonly CheckReport: {
            readonly healthy: boolean;
            readonly findings: readonly string[];
        };
        readonly Validation: {
            readonly valid: boolean;
            readonly problems: readonly components["schemas"]["DocumentProblem"][];
        };
        readonly Question: {
            readonly workload: {
                readonly cluster: components["schemas"]["Name"];
                readonly namespace: components["schemas"]["KubernetesName"];
                readonly serviceAccount: components["schemas"]["KubernetesName"];
                readonly pod?: {
                    readonly name: components["schemas"]["KubernetesName"];
                    readonly uid: components["schemas"]["PodUid"];
                };
            } | {
                readonly cluster: components["schemas"]["Name"];
                readonly identity: components["schemas"]["Identity"];
            };
            readonly podLabels?: {
                readonly [key: string]: string;
            };
            readonly capability: components["schemas"]["Capability"];
            readonly path: components["schemas"]["SecretPath"];
            readonly sourceAddress: components["schemas"]["IpAddress"];
            /** @description Whether the session is bound to a key, so that answers are sealed; absent: unknown. */
            readonly sealed?: boolean;
            readonly at?: components["schemas"]["Instant"];
            /** @description The session to look at for its end and for revoked versions. Without it the open sessions of `workload.pod` are looked at. */
            readonly session?: components["schemas"]["Id"];
        };
        readonly RuleNote: {
            readonly policy: components["schemas"]["Name"];
            readonly version: number;
            readonly rule: string;
            /** @enum {unknown} */
            readonly effect: "allow" | "deny";
            /** @enum {unknown} */
            readonly failed?: "subject" | "path" | "capability" | "condition";
            readonly detail?: string;
        };
        readonly Explanation: {
            readonly decision: {
                /** @enum {unknown} */
                readonly effect: "allow" | "deny";
                /** @enum {unknown} */
                readonly reason?: "denied_by_rule" | "no_rule" | "path_invalid";
                readonly policy?: string;
                readonly version?: number;
                readonly rule?: string;
                readonly maxLeaseTtlSeconds?: number;
            };
            readonly matched: readonly components["schemas"]["RuleNote"][];
            readonly nearMisses: readonly components["schemas"]["RuleNote"][];
            readonly complete: boolean;
            readonly lines: readonly string[];
            readonly steps: readonly components["schemas"]["ExplainStep"][];
            /** @description Everything that refuses the workload regardless of the policies. */
            readonly blocks: readonly components["schemas"]["Block"][];
            /** @description Revoked versions of the path that the session cannot read again. A new session can. */
            readonly revoked: readonly components["schemas"]["RevokedVersion"][];
        };
        /** @description One check that a request passes, in the order in which the broker makes them. */
        readonly ExplainStep: {
            /** @enum {unknown} */
            readonly step: "cluster" | "pod" | "session" | "quarantine" | "posture" | "policy" | "mount" | "definition" | "revocation";
            /** @enum {unknown} */
            readonly verdict: "passes" | "blocks" | "unknown";
            readonly text: string;
        };
        readonly ExplainedEntry: {
            readonly index: number;
            readonly time: components["schemas"]["Instant"];
            readonly workload: string;
            readonly capability: components["schemas"]["Capability"];
            readonly path: string;
            readonly recorded: components["schemas"]["Redecision"];
            readonly current: components["schemas"]["Redecision"];
            readonly steps: readonly components["schemas"]["ExplainStep"][];
            readonly lines: readonly string[];
        };
        readonly PolicyReplay: {
            readonly items: readonly components["schemas"]["SeenRequest"][];
            /** @description Grants of the draft, or of the current policies without a draft, that requests of this page use. */
            readonly grants: readonly {
                readonly policy: components["schemas"]["Name"];
                readonly rule: string;
                /** @description The pattern of the rule. */
                readonly path: string;
                readonly count: number;
                readonly last: components["schemas"]["Instant"];
            }[];
            /** @description Entries about workloads that cannot be decided again. */
            readonly skipped: readonly {
                /**
                 * @description `list`: the log has the prefix of a list, but each name was decided by itself. `path`, `workload`: the log has only the
                 *     beginning of the name. `summary`: the entry counts refusals of several actions and paths.
                 * @enum {unknown}
                 */
                readonly reason: "list" | "path" | "workload" | "summary";
                readonly count: number;
            }[];
            /** @description What the text of the draft widens, whether a request uses it or not; on the first page. */
            readonly widened: readonly {
                /** @enum {unknown} */
                readonly change: "allow_added" | "deny_removed";
                readonly policy: components["schemas"]["Name"];
                readonly rule: string;
                readonly path: string;
                readonly capabilities: readonly components["schemas"]["Capability"][];
            }[];
            /** @description Entries of the log that this page read. */
            readonly entries: number;
            /** @description Time of the oldest entry that this page read. */
            readonly reached?: components["schemas"]["Instant"];
            /** @description Time of the oldest entry that the log has. */
            readonly knownSince?: components["schemas"]["Instant"];
            readonly next?: components["schemas"]["Next"];
        };
        readonly SeenRequest: {
            readonly workload: string;
            readonly capability: components["schemas"]["Capability"];
            readonly path: string;
            /** @description What was decided then. Absent for a live lease. */
            readonly recorded?: components["schemas"]["Redecision"];
            readonly current: components["schemas"]["Redecision"];
            readonly draft?: components["schemas"]["Redecision"];
            /** @description Requests in the log. */
            readonly count: number;
            /** @description Live leases. */
            readonly live: number;
            readonly first: components["schemas"]["Instant"];
            readonly last: components["schemas"]["Instant"];
        };
        readonly Redecision: {
            /**
             * @description `unknown`: it depends on facts that the log does not have.
             * @enum {unknown}
             */
            readonly effect: "allow" | "deny" | "unknown";
            readonly policy?: string;
            /** @description 0 for a policy of the draft. */
            readonly version?: number;
            readonly rule?: string;
            readonly dependsOn?: readonly ("podLabels" | "sourceAddress" | "time" | "sealed" | "pod")[];
            /** @description The rules that may decide an unknown one. */
            readonly among?: readonly {
                readonly policy: string;
                readonly version: number;
                readonly rule: string;
            }[];
        };
        readonly Block: {
            /** @constant */
            readonly by: "quarantine";
            readonly quarantine: components["schemas"]["Quarantine"];
        } | {
            /** @constant */
            readonly by: "pod";
            /** @enum {unknown} */
            readonly state: "terminating" | "ended";
        } | {
            /** @constant */
            readonly by: "session";
            /** @description The session has ended, or never existed. */
            readonly session: string;
        } | {
            /** @constant */
            readonly by: "posture";
            /** @description The profile that refuses and what it finds, such as `production: image_not_pinned` */
            readonly posture: string;
            /** @description Nothing was found, and a fact about the pod is not known yet. */
            readonly pending: boolean;
        };
        readonly RevokedVersion: {
            readonly session: components["schemas"]["Id"];
            readonly lease: components["schemas"]["Id"];
            readonly version: string;
        };
        readonly AuditEntry: {
            readonly index: number;
            /** @description internals/spec/audit-log-v1.md */
            readonly entry: Record<string, unknown>;
        };
        readonly AuditPage: {
            readonly items: readonly components["schemas"]["AuditEntry"][];
            readonly next?: components["schemas"]["Next"];
            readonly archived?: components["schemas"]["ArchivedPart"];
        };
        /** @description On the last page, if archived entries may match too. The broker does not search them. */
        readonly ArchivedPart: {
            /** @description The entries from `first` up to before `end` */
            readonly first: number;
            readonly end: number;
            /** @description The objects of the archive that have them, the newest first; at most eight */
            readonly objects: readonly string[];
            readonly hasMore: boolean;
        };
        readonly ReceiversPage: {
            readonly items: readonly components["schemas"]["Receipt"][];
            readonly next?: components["schemas"]["Next"];
            readonly archived?: components["schemas"]["ArchivedPart"];
        };
        /** @description The disclosures of one version to one caller under one lease. */
        readonly Receipt: {
            /** @description The workload, operator or system actor */
            readonly receiver: string;
            readonly pod?: string;
            readonly podUid?: string;
            readonly node?: string;
            /** @enum {unknown} */
            readonly action: "secret.read" | "credential.issue";
            readonly version?: string;
            readonly lease?: string;
            readonly credential?: string;
            /** @description When the lease ends; absent if it has ended, or if the caller had none */
            readonly validUntil?: components["schemas"]["Instant"];
            readonly reads: number;
            readonly first: components["schemas"]["Instant"];
            readonly last: components["schemas"]["Instant"];
            /** @description Index of the oldest entry */
            readonly firstIndex: number;
            /** @description Index of the newest entry */
            readonly lastIndex: number;
        };
        /** @description The signed end of one commit's chain. */
        readonly BatchHead: {
            readonly first_index: number;
            readonly writer: string;
            readonly first_seq: number;
            readonly count: number;
            readonly head: string;
            readonly signature: string;
            /** @description The boot's key, base64. Present if the first entry of the writer is archived. */
            readonly key?: string;
            /** @description The log key's signature over the boot's key, base64 */
            readonly endorsement?: string;
        };
        readonly EntryProof: {
            readonly index: number;
            /** @description The exact bytes of the entry; the leaf is their hash. */
            readonly entry: string;
            readonly leaf: string;
            /** @description RFC 6962 inclusion proof. */
            readonly hashes: readonly string[];
            /** @description C2SP signed note. */
            readonly checkpoint: string;
        };
        readonly Health: {
            /** @enum {string} */
            readonly status: "ok";
        };
        readonly DrillReport: {
            readonly checks: readonly {
                /** @description What was checked, for example `restore`. */
                readonly name: string;
                /** @enum {string} */
                readonly state: "ok" | "failed" | "skipped";
            }[];
        };
        readonly BrokerStatus: {
            /** @description The time of the broker, by which everything expires. */
            readonly time: components["schemas"]["Instant"];
            /** @description Seconds by which that time is ahead of the system clock of the broker. */
            readonly clockAheadSeconds: number;
            /**
             * @description `scheduled`: the broker makes backups. `none`: the configuration has no section `backup`. `elsewhere`: on PostgreSQL, without that section; the broker does not know of backups by the tools of PostgreSQL. `unknown`: the broker does not look for backups while the store is held.
             * @enum {string}
             */
            readonly backups: "scheduled" | "none" | "elsewhere" | "unknown";
            /** @description Watches of clusters that do not show now what happens there. Absent in answers of earlier brokers. */
            readonly watchesDown?: readonly {
                /** @description The name of the cluster. */
                readonly cluster: string;
                /** @description The name of its connection in the configuration. */
                readonly connection: string;
                /** @description What is watched, for example `pods`. */
                readonly resource: string;
                /**
                 * @description `starting`: no complete list yet. `stale`: no sign of life for a minute.
                 * @enum {string}
                 */
                readonly status: "starting" | "stale";
            }[];
            /** @description Certificates in files that the configuration of the broker names, those that expire first: of listeners and of clients, and authorities that the broker trusts. A file of authorities expires with the last of them. Absent in answers of earlier brokers. */
            readonly certificates?: readonly {
                /** @description The setting that names the file, for example `listener.tls.certificateFile`. */
                readonly setting: string;
                readonly expiresAt: components["schemas"]["Instant"];
                /**
                 * @description `expiring`: the last 14 days, or the last fifth of its life if that is shorter. Renew it.
                 * @enum {string}
                 */
                readonly state: "valid" | "expiring" | "expired";
            }[];
            readonly log: components["schemas"]["LogStatus"];
            readonly liveLeases: number;
            /** @description What the broker that answers did in each of the last minutes, the oldest first, for at most three hours and since it began. The last minute is not over. Absent in answers of earlier brokers. */
            readonly activity?: {
                /** @description The beginning of the first minute. */
                readonly from: components["schemas"]["Instant"];
                /** @description Logins of workloads and people. */
                readonly logins: components["schemas"]["CountsPerMinute"];
                /** @description Requests that returned secrets or credentials; a batch is one. */
                readonly reads: components["schemas"]["CountsPerMinute"];
                /** @description Requests without a valid identity or right (401 and 403). */
                readonly refusals: components["schemas"]["CountsPerMinute"];
            };
            /** @description When the newest backup was made; absent if there is none. */
            readonly lastBackupAt?: components["schemas"]["Instant"];
        };
        readonly CountsPerMinute: readonly number[];
        readonly LogStatus: {
            /** @description Entries under the last checkpoint. */
            readonly entries: number;
            /** @description Chains that do not hold. Anything but 0 is an alarm. Only the broker that integrates the log counts them, so watch the metric of every broker. */
            readonly brokenChains: number;
            /** @description Entries that do not verify, by the last check of this process. Anything but 0 is an alarm. Another broker may have made a later check. */
            readonly damagedEntries: number;
            /** @description When the last check of the whole log ended; absent before the first of this process. */
            readonly checkedAt?: components["schemas"]["Instant"];
            readonly archivedEntries: number;
            /** @description When the newest run of the archive ended; absent if there is none. */
            readonly archivedAt?: components["schemas"]["Instant"];
            /** @description Failed runs in this process. */
            readonly failedArchiveRuns: number;
            /** @description In the order of the configuration. */
            readonly sinks: readonly {
                /** @description Entries that the sink lacks. Absent in answers of earlier brokers that do not deliver to it. */
                readonly lag?: number;
                /** @description Since when the sink lacks the first of them, exact to a minute. Absent if it lacks none, and in answers of earlier brokers. */
                readonly behindSince?: components["schemas"]["Instant"];
                /** @description The sink stands before an entry that does not verify. */
                readonly stopped: boolean;
                /** @description The last delivery failed. */
                readonly failing: boolean;
            }[];
            /** @description Entries under the newest checkpoint that enough witnesses cosigned. */
            readonly witnessedEntries: number;
            /** @description Seconds for which the log has had entries that no witnessed checkpoint covers. */
            readonly unwitnessedSeconds: number;
            readonly witnesses: readonly {
                readonly name: string;
                /** @description Its last response gave no cosignature. */
                readonly failing: boolean;
                /** @description A response since the start contradicts a signed statement of the log or of the witness. */
                readonly contradicts: boolean;
            }[];
        };
        readonly Readiness: {
            readonly ready: boolean;
            readonly reasons: readonly string[];
            /** @description What holds the store (`ERR_HELD`); the broker's log names the rows. Absent when the store is not held. */
            readonly held?: readonly {
                /** @description `rows_differ`, `rows_behind`: rows are not as the broker left them. `index_damaged`: an index lacks rows. `schema_differs`, `log_missing`, `store_behind`, `store_forked`, `checkpoint_missing`, `checkpoint_foreign`, `commits_missing`, `origin_differs`, `log_damaged`: docs/operations.md. */
                readonly reason: string;
                /** @description The kind of row, which is a table. */
                readonly kind?: string;
                /** @description So many rows, or differences where the rows are not known. */
                readonly count?: number;
            }[];
            /** @description Conditions that an operator should fix. The broker still serves requests. Absent if there are none. */
            readonly warnings?: readonly string[];
        };
        readonly StoredDocument: {
            readonly name: string;
            readonly uid: string;
            readonly version: number;
            readonly etag: string;
            readonly updatedAt: components["schemas"]["Instant"];
            readonly updatedBy: string;
            /** @description The approval of the break-glass elevation under which it was written. It ends with the elevation unless another operator confirms it. */
            readonly elevation?: components["schemas"]["Id"];
        };
        readonly DocumentVersion: {
            readonly uid: string;
            readonly version: number;
            readonly deleted: boolean;
            readonly createdAt: components["schemas"]["Instant"];
            readonly createdBy: string;
            readonly elevation?: components["schemas"]["Id"];
        };
        readonly StoredAccessPolicy: {
            readonly document: components["schemas"]["AccessPolicy"];
        } & components["schemas"]["StoredDocument"];
        readonly AccessPolicyPage: {
            readonly items: readonly components["schemas"]["StoredAccessPolicy"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly AccessPolicyVersions: {
            readonly items: readonly ({
                readonly document?: components["schemas"]["AccessPolicy"];
            } & components["schemas"]["DocumentVersion"])[];
        };
        readonly StoredCluster: {
            readonly document: components["schemas"]["Cluster"];
        } & components["schemas"]["StoredDocument"];
        readonly ClusterPage: {
            readonly items: readonly components["schemas"]["StoredCluster"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly ClusterVersions: {
            readonly items: readonly ({
                readonly document?: components["schemas"]["Cluster"];
            } & components["schemas"]["DocumentVersion"])[];
        };
        readonly StoredMount: {
            readonly document: components["schemas"]["Mount"];
        } & components["schemas"]["StoredDocument"];
        readonly MountPage: {
            readonly items: readonly components["schemas"]["StoredMount"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly MountVersions: {
            readonly items: readonly ({
                readonly document?: components["schemas"]["Mount"];
            } & components["schemas"]["DocumentVersion"])[];
        };
        readonly StoredDefinition: {
            readonly document: components["schemas"]["Definition"];
        } & components["schemas"]["StoredDocument"];
        readonly DefinitionPage: {
            readonly items: readonly components["schemas"]["StoredDefinition"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly DefinitionVersions: {
            readonly items: readonly ({
                readonly document?: components["schemas"]["Definition"];
            } & components["schemas"]["DocumentVersion"])[];
        };
        readonly StoredOperator: {
            readonly document: components["schemas"]["Operator"];
        } & components["schemas"]["StoredDocument"];
        readonly StoredRoleBinding: {
            readonly document: components["schemas"]["RoleBinding"];
        } & components["schemas"]["StoredDocument"];
        readonly StoredResponseRule: {
            readonly document: components["schemas"]["ResponseRule"];
        } & components["schemas"]["StoredDocument"];
        readonly ResponseRulePage: {
            readonly items: readonly components["schemas"]["StoredResponseRule"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly ResponseRuleVersions: {
            readonly items: readonly ({
                readonly document?: components["schemas"]["ResponseRule"];
            } & components["schemas"]["DocumentVersion"])[];
        };
        /**
         * @description `kept`: only recorded. `unmatched`: no pod is certain to be meant. `pending`: over a limit; the scope gets no new secrets until an operator decides.
         *     `responding`: the scope is being cut off. `contained`: it is cut off, and what it read is being rotated. `done`: both are done. `dismissed`: an operator
         *     ended it.
         * @enum {string}
         */
        readonly AlertState: "kept" | "unmatched" | "pending" | "responding" | "contained" | "done" | "dismissed";
        readonly ReceivedAlerts: {
            readonly accepted: number;
            /** @description Delivered before. */
            readonly repeated: number;
        };
        readonly AlertDecision: {
            readonly reason?: components["schemas"]["Reason"];
        };
        readonly AlertSourceList: {
            readonly items: readonly {
                readonly name: components["schemas"]["Name"];
                readonly format: string;
                /** @description How many pods of each cluster its alerts cut off now, and how many they may. Alerts beyond the limit wait for an operator. */
                readonly limits: readonly {
                    readonly cluster: components["schemas"]["Name"];
                    readonly cutOff: number;
                    readonly limit: number;
                }[];
                /** @description The registered clusters whose pods its alerts name. */
                readonly clusters: readonly components["schemas"]["Name"][];
                readonly lastAlertAt?: components["schemas"]["Instant"];
            }[];
        };
        readonly AlertPage: {
            readonly items: readonly components["schemas"]["Alert"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly Alert: {
            readonly id: components["schemas"]["Id"];
            readonly source: string;
            readonly state: components["schemas"]["AlertState"];
            readonly receivedAt: components["schemas"]["Instant"];
            /** @description The registered cluster. For `cluster_unknown`, the name that the source gave. */
            readonly cluster: string;
            readonly rule: string;
            readonly tags: readonly string[];
            readonly priority: components["schemas"]["Priority"];
            readonly time?: components["schemas"]["Instant"];
            readonly node?: string;
            readonly container: {
                readonly id?: string;
                readonly imageDigest?: string;
            };
            readonly pod?: {
                readonly namespace: string;
                readonly name: string;
                readonly uid: string;
            };
            readonly workload?: string;
            /** @description What the response cuts off, or would cut off. Absent if no pod is known. */
            readonly about?: {
                /** @enum {unknown} */
                readonly kind: "pod" | "workload" | "image" | "node" | "operator";
                /** @description The namespace and the name of the pod, or its UID; the workload, the digest of the image, the node, or the operator. */
                readonly name: string;
                /** @description Number of pods, workloads and operators that it cuts off. */
                readonly scopes: number;
            };
            /**
             * @description Why no pod is certain to be meant.
             * @enum {string}
             */
            readonly unmatched?: "cluster_unknown" | "no_pod_named" | "pod_unknown" | "facts_differ" | "older_than_pod" | "time_missing" | "watch_not_live";
            readonly responseRule?: {
                readonly name: components["schemas"]["Name"];
                readonly version: number;
            };
            readonly response: {
                readonly action: components["schemas"]["ResponseAction"];
                /**
                 * @description Rules have the first three; incidents have all.
                 * @enum {unknown}
                 */
                readonly scope: "pod" | "workload" | "image" | "node" | "operator";
                readonly rotate: components["schemas"]["ResponseRotation"];
            };
            /**
             * @description Why the response is less than the rule says. `protected`: the configuration protects the workload, or it is the last admin. `over_limit`: the source
             *     reached its limit. `no_room`: as before, and there are as many suspensions as there may be. `incomplete`: the log could not be read to its beginning.
             * @enum {string}
             */
            readonly held?: "protected" | "over_limit" | "no_room" | "incomplete";
            readonly quarantines: readonly components["schemas"]["Id"][];
            /** @description Quarantines that refuse new secrets only, while the response waits for an operator. */
            readonly suspensions?: readonly components["schemas"]["Id"][];
            /** @description Number of alerts that it stands for. */
            readonly count: number;
            /** @description When the last of them was received. */
            readonly lastAt?: components["schemas"]["Instant"];
            /** @description Other rules of those alerts. */
            readonly rules?: readonly string[];
            readonly ended?: components["schemas"]["Ended"];
            readonly reason?: string;
            /** @description The operator that approved, dismissed or opened it. */
            readonly operator?: string;
        };
        readonly IncidentWish: {
            /** @constant */
            readonly kind: "workload";
            readonly workload: components["schemas"]["WorkloadName"];
            readonly since: components["schemas"]["Instant"];
            readonly reason: components["schemas"]["Reason"];
            /** @default true */
            readonly rotate?: boolean;
            /** @default false */
            readonly dryRun?: boolean;
        } | {
            /** @constant */
            readonly kind: "pod";
            readonly cluster: components["schemas"]["Name"];
            /** @description The UID of the pod, or else `namespace` and `name`. */
            readonly uid?: components["schemas"]["PodUid"];
            readonly namespace?: components["schemas"]["KubernetesName"];
            readonly name?: components["schemas"]["KubernetesName"];
            readonly since: components["schemas"]["Instant"];
            readonly reason: components["schemas"]["Reason"];
            /** @default true */
            readonly rotate?: boolean;
            /** @default false */
            readonly dryRun?: boolean;
        } | {
            /** @constant */
            readonly kind: "image";
            readonly cluster: components["schemas"]["Name"];
            readonly digest: components["schemas"]["ImageDigest"];
            readonly since: components["schemas"]["Instant"];
            readonly reason: components["schemas"]["Reason"];
            /** @default true */
            readonly rotate?: boolean;
            /** @default false */
            readonly dryRun?: boolean;
        } | {
            /** @constant */
            readonly kind: "node";
            readonly cluster: components["schemas"]["Name"];
            readonly node: components["schemas"]["KubernetesName"];
            readonly since: components["schemas"]["Instant"];
            readonly reason: components["schemas"]["Reason"];
            /** @default true */
            readonly rotate?: boolean;
            /** @default false */
            readonly dryRun?: boolean;
        } | {
            /** @constant */
            readonly kind: "operator";
            readonly operator: components["schemas"]["Name"] | components["schemas"]["PersonName"];
            readonly since: components["schemas"]["Instant"];
            readonly reason: components["schemas"]["Reason"];
            /** @default true */
            readonly rotate?: boolean;
            /** @default false */
            readonly dryRun?: boolean;
        } | {
            /** @constant */
            readonly kind: "token";
            /** @description The id of an operator token, also of one that ended. The scope is its operator, because a token may have made others. */
            readonly token: components["schemas"]["Id"];
            readonly since: components["schemas"]["Instant"];
            readonly reason: components["schemas"]["Reason"];
            /** @default true */
            readonly rotate?: boolean;
            /** @default false */
            readonly dryRun?: boolean;
        };
        readonly Incident: {
            readonly alert?: components["schemas"]["Alert"];
            readonly scopes: readonly {
                readonly kind: string;
                /** @description Of a pod, `<cluster>/<UID>`. */
                readonly subject: string;
                /** @description Absent if the broker did not know the pod when the response began. */
                readonly pod?: {
                    readonly namespace: string;
                    readonly name: string;
                };
            }[];
            /** @description What the scopes hold and what they read since the time, by path. */
            readonly secrets: readonly components["schemas"]["IncidentSecret"][];
            /** @description Number of secrets that are left out, because the scopes read them only before the time and do not hold them. The response covers them too. */
            readonly hidden: number;
            /** @description False if entries of the log may name more secrets (`unread`), or if a dry run does not show all secrets. */
            readonly isComplete: boolean;
            /** @description Parts of the log whose reads are not known. */
            readonly unread: readonly {
                readonly first: number;
                /** @description Index after the last entry. */
                readonly end: number;
                readonly isArchived: boolean;
                readonly objects: readonly string[];
                readonly hasMore: boolean;
                /** @description The command that reads it. */
                readonly command: string;
            }[];
            /** @description The entries of the response, oldest first, until its quarantines are lifted, and the reads of the hour before it; empty for a dry run. `audit proof` proves each by its index. */
            readonly timeline: readonly {
                readonly index: number;
                readonly entry: Record<string, unknown>;
            }[];
            /** @description What the timeline lacks. */
            readonly gaps: readonly {
                /**
                 * @description `reads`, `events`: older entries than `first` match too. `archived`: entries from `first` to before `end` are not in the store any more.
                 * @enum {unknown}
                 */
                readonly kind: "reads" | "events" | "archived";
                readonly first: number;
                readonly end?: number;
            }[];
            /** @description The pod when the alert came or the incident was opened, and now. With the timeline, and in a dry run. A member is missing if the broker did not know the pod. */
            readonly posture?: {
                readonly then?: components["schemas"]["PodState"];
                readonly now?: components["schemas"]["PodState"];
            };
            /** @description Other pods with sessions on the same image, node and service account, as long as the broker knows the pod. */
            readonly neighbours?: {
                readonly image: components["schemas"]["NeighbourPods"];
                readonly node: components["schemas"]["NeighbourPods"];
                readonly account: components["schemas"]["NeighbourPods"];
                /** @description False if more than 5000 pods have sessions. */
                readonly isComplete: boolean;
            };
            /** @description The signed tree head (C2SP signed note) that covers the timeline. */
            readonly checkpoint?: string;
            readonly next?: components["schemas"]["Next"];
        };
        readonly PodState: {
            /** @description `running`, `terminating`, `ended` or `unknown`. */
            readonly state: string;
            readonly images: readonly {
                readonly container: string;
                readonly image: string;
                /** @description The digest that runs. */
                readonly digest?: string;
            }[];
            /** @description Containers that `images` does not name. */
            readonly omitted?: number;
            /** @description The first debug containers. */
            readonly ephemeral: readonly string[];
            /** @description Enforced posture profiles that the pod does not meet. */
            readonly violations: readonly {
                readonly profile: string;
                readonly codes: readonly string[];
            }[];
        };
        readonly NeighbourPods: {
            readonly count: number;
            readonly pods: readonly {
                readonly namespace: string;
                readonly name: string;
                readonly uid: string;
            }[];
        };
        readonly IncidentSecret: {
            readonly path: string;
            /** @description The versions that the scopes read, the newest first. */
            readonly versions: readonly string[];
            readonly firstAt: components["schemas"]["Instant"];
            readonly lastAt: components["schemas"]["Instant"];
            /** @description The entry of the last read in the log. */
            readonly lastIndex?: number;
            /** @description The scopes held a lease on it at the time of the incident (`since`, or that of the event), or later. */
            readonly held: boolean;
            /**
             * @description `rotated`: the value that was read is replaced. `running`: its rotation is in progress. `blocked`: it waits or failed, see `why`. `by_hand`: no rotation is configured. `revoked`: a dynamic
             *     credential, which ends with its lease. `waiting`: the response has not reached it. `kept`: the response does not rotate it.
             * @enum {unknown}
             */
            readonly state: "rotated" | "running" | "blocked" | "by_hand" | "revoked" | "waiting" | "kept";
            /** @description Why it is blocked. */
            readonly why?: string;
            readonly rotation?: {
                readonly id: components["schemas"]["Id"];
                readonly state: string;
            };
            /**
             * @description Why it was not rotated.
             * @enum {string}
             */
            readonly unrotated?: "not_rotating" | "braked";
            /** @description Live leases of all holders; at most 1000 are counted. */
            readonly liveLeases: number;
            /** @description Pods and sessions outside the scopes with a live lease, and running pods whose lease on what the scopes read ended with its rotation. `updated` counts those that have a version that the scopes did not read. */
            readonly holders: {
                readonly total: number;
                readonly updated: number;
            };
            /** @description Other workloads and operators that ever read it. */
            readonly otherReaders: readonly string[];
            /** @description Pods outside the scopes that ever read it, and whose workload is that of a pod in the scopes. */
            readonly otherPods: number;
        };
        readonly StoredPostureProfile: {
            readonly document: components["schemas"]["PostureProfile"];
        } & components["schemas"]["StoredDocument"];
        readonly OperatorPage: {
            readonly items: readonly components["schemas"]["StoredOperator"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly RoleBindingPage: {
            readonly items: readonly components["schemas"]["StoredRoleBinding"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly PostureProfilePage: {
            readonly items: readonly components["schemas"]["StoredPostureProfile"][];
            readonly next?: components["schemas"]["Next"];
        };
        readonly OperatorVersions: {
            readonly items: readonly ({
                readonly document?: components["schemas"]["Operator"];
            } & components["schemas"]["DocumentVersion"])[];
        };
        readonly RoleBindingVersions: {
            readonly items: readonly ({
                readonly document?: components["schemas"]["RoleBinding"];
            } & components["schemas"]["DocumentVersion"])[];
        };
        readonly PostureProfileVersions: {
            readonly items: readonly ({
                readonly document?: components["schemas"]["PostureProfile"];
            } & components["schemas"]["DocumentVersion"])[];
        };
        /** @enum {string} */
        readonly ErrorCode: "ERR_REQUEST_INVALID" | "ERR_PATH_INVALID" | "ERR_BODY_INVALID" | "ERR_UNKNOWN_FIELD" | "ERR_POLICY_INVALID" | "ERR_TOKEN_INVALID" | "ERR_UNAUTHENTICATED" | "ERR_STEP_UP_REQUIRED" | "ERR_DENIED" | "ERR_NO_ROLE" | "ERR_APPROVAL_REQUIRED" | "ERR_POSTURE_DENIED" | "ERR_POSTURE_PENDING" | "ERR_SUSPENDED" | "ERR_NOT_FOUND" | "ERR_METHOD" | "ERR_CONFLICT" | "ERR_VERSION_CONFLICT" | "ERR_PRECONDITION_REQUIRED" | "ERR_IDEMPOTENCY_MISMATCH" | "ERR_BODY_TOO_LARGE" | "ERR_HEADERS_TOO_LARGE" | "ERR_MEDIA_TYPE" | "ERR_RATE_LIMITED" | "ERR_LEASE_QUOTA" | "ERR_PROVIDER_FAILED" | "ERR_PROVIDER_MALFORMED" | "ERR_PROVIDER_DENIED" | "ERR_PROVIDER_TIMEOUT" | "ERR_PROVIDER_UNAVAILABLE" | "ERR_IDENTITY_UNAVAILABLE" | "ERR_AUDIT_UNAVAILABLE" | "ERR_AUDIT_UNACKNOWLEDGED" | "ERR_STORE_UNAVAILABLE" | "ERR_OUTCOME_UNKNOWN" | "ERR_BUSY" | "ERR_SEALED" | "ERR_HELD" | "ERR_CIPHERTEXT_INVALID" | "ERR_CONFIG_INVALID" | "ERR_INTERNAL";
        readonly Cluster: {
            readonly connection: components["schemas"]["Name"];
            readonly issuer: string;
            readonly audiences: readonly string[];
            /** @default false */
            readonly allowSeveralAudiences?: boolean;
            readonly maxTokenLifetime?: components["schemas"]["Duration"];
            /**
             * @default kubernetes
             * @constant
             */
            readonly type?: "kubernetes";
            /**
             * @default jwks
             * @enum {string}
             */
            readonly mode?: "jwks" | "token-review" | "both";
            /** @default false */
            readonly allowWithoutPod?: boolean;
            /** @default true */
            readonly podWatch?: boolean;
            /** @description How long the last known facts of a pod are good while the API server is silent */
            readonly podFactsMaxAge?: components["schemas"]["DurationOrNone"];
            /** @description The same for the labels by which posture profiles match pods and namespaces */
            readonly podLabelsMaxAge?: components["schemas"]["DurationOrNone"];
            /** @default false */
            readonly trivyReports?: boolean;
            /** @description Only with a connection of type enrolled; docs/enrolment.md */
            readonly apiServer?: {
                readonly url: string;
                readonly ca?: string;
                /** @default quaymaster/quaymaster-logins */
                readonly serviceAccount?: string;
            };
        } | {
            readonly connection: components["schemas"]["Name"];
            readonly issuer: string;
            readonly audiences: readonly string[];
            /** @default false */
            readonly allowSeveralAudiences?: boolean;
            readonly maxTokenLifetime?: components["schemas"]["Duration"];
            /** @constant */
            readonly type: "oidc";
            /** @default {} */
            readonly requiredClaims?: {
                readonly [key: string]: components["schemas"]["ClaimValue"] | readonly components["schemas"]["ClaimValue"][];
            };
            readonly identity: readonly {
                readonly claim: string;
                readonly prefix?: string;
                /** @default 1 */
                readonly parts?: number | "any";
            }[];
        } | {
            /** @constant */
            readonly type: "spiffe";
            readonly connection: components["schemas"]["Name"];
            readonly issuer: string;
        };
        readonly Mount: {
            readonly prefix: components["schemas"]["SecretPath"];
            readonly connection: components["schemas"]["Name"];
            /**
             * @description Settings of the provider; docs/providers.
             * @default {}
             */
            readonly options?: Record<string, unknown>;
            readonly leaseTtl?: components["schemas"]["Duration"];
            readonly cacheTtl?: components["schemas"]["DurationOrNone"];
            readonly staleIfError?: components["schemas"]["DurationOrNone"];
        };
        readonly Definition: {
            /** @description The exact reference at the backend, in the provider's terms. */
            readonly ref?: unknown;
            /**
             * @default static
             * @enum {string}
             */
            readonly class?: "static" | "dynamic";
            readonly leaseTtl?: components["schemas"]["Duration"];
            /** @description For a dynamic definition, the longest lifetime of a lease with all its renewals, from its issue on. 24h by default. */
            readonly maxLeaseTtl?: components["schemas"]["Duration"];
            readonly cacheTtl?: components["schemas"]["DurationOrNone"];
            readonly staleIfError?: components["schemas"]["DurationOrNone"];
            readonly description?: string;
            readonly rotation?: components["schemas"]["RotationSpec"];
            /** @description Nothing uses this secret. Each reader gets its value as that of any other secret, and raises an alert of the source `decoy`; docs/runtime-alerts.md. */
            readonly decoy?: {
                /**
                 * @default audit
                 * @enum {string}
                 */
                readonly action?: "audit" | "revoke" | "quarantine";
                /**
                 * @description Cut off the pod or the workload. A workload without a pod, or an operator, is cut off itself.
                 * @default pod
                 * @enum {string}
                 */
                readonly scope?: "pod" | "workload";
            };
        };
        readonly Operator: {
            readonly description?: string;
            readonly grants: readonly components["schemas"]["Grant"][];
        };
        readonly RoleBinding: {
            readonly description?: string;
            /** @description The name of the issuer in the configuration. */
            readonly issuer: string;
            /** @default [] */
            readonly subjects?: readonly string[];
            /** @default {} */
            readonly claims?: {
                readonly [key: string]: components["schemas"]["ClaimValue"] | readonly components["schemas"]["ClaimValue"][];
            };
            /** @default [] */
            readonly acr?: readonly string[];
            /** @default [] */
            readonly amr?: readonly string[];
            readonly grants: readonly components["schemas"]["Grant"][];
        } | {
            readonly description?: string;
            readonly workloads: readonly components["schemas"]["PolicySubject"][];
            readonly grants: readonly components["schemas"]["Grant"][];
        };
        /** @description docs/posture.md */
        readonly PostureProfile: {
            readonly description?: string;
            /** @enum {string} */
            readonly mode: "enforce" | "warn" | "audit";
            /**
             * @description For `enforce`, what happens to a pod that holds leases on these secrets and stops meeting the profile. Its reads and renewals are refused in any case.
             * @default denyRenewal
             * @enum {string}
             */
            readonly onViolation?: "denyRenewal" | "revoke" | "quarantine";
            /** @default deny */
            readonly onUnknown?: components["schemas"]["PosturePermission"];
            /** @default {} */
            readonly match?: {
                /** @default [] */
                readonly clusters?: readonly components["schemas"]["Name"][];
                readonly namespaces?: components["schemas"]["PosturePatterns"];
                /** @default {} */
                readonly namespaceLabels?: {
                    readonly [key: string]: string;
                };
                /** @default {} */
                readonly podLabels?: {
                    readonly [key: string]: string;
                };
                readonly secretPaths?: components["schemas"]["PosturePatterns"];
            };
            /** @default {} */
            readonly pod?: {
                readonly onUnknown?: components["schemas"]["PosturePermission"];
                readonly securityStandard?: {
                    /** @enum {string} */
                    readonly level: "baseline" | "restricted";
                    /** @description `latest`, or such as `v1.34` */
                    readonly version: string;
                };
                /** @default allow */
                readonly ephemeralContainers?: components["schemas"]["PosturePermission"];
                /** @default allow */
                readonly defaultServiceAccount?: components["schemas"]["PosturePermission"];
                /** @default allow */
                readonly serviceAccountToken?: components["schemas"]["PosturePermission"];
                /** @default allow */
                readonly secretsInEnvironment?: components["schemas"]["PosturePermission"];
                /** @default allow */
                readonly secretValuesInEnvironment?: components["schemas"]["PosturePermission"];
                /**
                 * @default any
                 * @enum {string}
                 */
                readonly resourceLimits?: "any" | "required";
                /**
                 * @default any
                 * @enum {string}
                 */
                readonly networkPolicy?: "any" | "required";
            };
            /** @default {} */
            readonly image?: {
                readonly onUnknown?: components["schemas"]["PosturePermission"];
                readonly registries?: components["schemas"]["PosturePatterns"];
                /**
                 * @default any
                 * @enum {string}
                 */
                readonly digest?: "any" | "pinned";
                /** @default [] */
                readonly deniedDigests?: readonly components["schemas"]["ImageDigest"][];
                readonly signatures?: readonly components["schemas"]["SignatureRule"][];
                readonly attestations?: readonly components["schemas"]["AttestationRule"][];
                /**
                 * @description A `trusted_root.json` of a Sigstore instance by its name
                 * @default {}
                 */
                readonly trustRoots?: {
                    readonly [key: string]: Record<string, unknown>;
                };
                /**
                 * @description What a rule of `signatures` or `attestations` means for repositories that no rule names
                 * @default deny
                 * @enum {string}
                 */
                readonly unmatched?: "allow" | "deny";
                /**
                 * @description Ids of keys that never count
                 * @default []
                 */
                readonly deniedKeys?: readonly string[];
            };
            readonly vulnerabilities?: {
                readonly onUnknown?: components["schemas"]["PosturePermission"];
                readonly deny: readonly components["schemas"]["Severity"][];
                readonly firstReportGrace?: components["schemas"]["DurationOrNone"];
                /**
                 * @description Whether findings without a rating count as if `deny` had them
                 * @default deny
                 * @enum {string}
                 */
                readonly unknownSeverity?: "allow" | "deny";
                /** @default false */
                readonly fixAvailableOnly?: boolean;
                /** @default 0 */
                readonly graceDays?: number;
                readonly reportMaxAge?: components["schemas"]["Duration"];
                /** @default allow */
                readonly osEndOfLife?: components["schemas"]["PosturePermission"];
                readonly exceptions?: readonly {
                    /** @description A CVE, or another name of the vulnerability */
                    readonly id: string;
                    /** @description Pattern of package URLs without qualifiers */
                    readonly purl?: string;
                    readonly until: components["schemas"]["DayOrInstant"];
                    readonly reason: string;
                    readonly approvedBy: string;
                }[];
            };
            readonly exposedSecrets?: {
                readonly onUnknown?: components["schemas"]["PosturePermission"];
                readonly deny: readonly components["schemas"]["Severity"][];
                readonly firstReportGrace?: components["schemas"]["DurationOrNone"];
                /**
                 * @description Whether findings without a rating count as if `deny` had them
                 * @default deny
                 * @enum {string}
                 */
                readonly unknownSeverity?: "allow" | "deny";
            };
            /**
             * @description Whose word about images counts; docs/evidence.md
             * @default {}
             */
            readonly witnesses?: {
                /**
                 * @description Scanners whose reports count; none named: all
                 * @default []
                 */
                readonly scanners?: readonly string[];
                /**
                 * @description Writers whose reports count; none named: all
                 * @default []
                 */
                readonly writers?: readonly components["schemas"]["EvidenceWriter"][];
                /** @default {} */
                readonly vex?: {
                    /**
                     * @description Writers whose VEX counts; none named: those whose role has no scope
                     * @default []
                     */
                    readonly writers?: readonly components["schemas"]["EvidenceWriter"][];
                    /**
                     * @description Authors that VEX documents name; none named: all
                     * @default []
                     */
                    readonly authors?: readonly string[];
                };
            };
            /** @default [] */
            readonly ignoreContainers?: readonly {
                readonly name: components["schemas"]["PosturePattern"];
                readonly image: components["schemas"]["PosturePattern"];
            }[];
            readonly exceptions?: readonly {
                /** @enum {string} */
                readonly check: "pod_unknown" | "pod_malformed" | "namespace_unknown" | "pod_security" | "ephemeral_container" | "default_service_account" | "service_account_token" | "resource_limits" | "network_policy" | "secret_in_environment" | "secret_value_in_environment" | "image_unknown" | "image_malformed" | "registry" | "image_not_pinned" | "image_denied" | "digest_mismatch" | "signature_missing" | "signer_not_trusted" | "attestation_missing" | "report_missing" | "report_stale" | "nothing_scanned" | "vulnerability_denied" | "os_end_of_life" | "exposed_secret";
                readonly pods?: components["schemas"]["PosturePatterns"];
                readonly images?: components["schemas"]["PosturePatterns"];
                readonly until: components["schemas"]["DayOrInstant"];
                readonly reason: string;
                readonly owner: string;
            }[];
        };
        /** @description docs/runtime-alerts.md */
        readonly ResponseRule: {
            readonly description?: string;
            /**
             * @description The rule with the smallest number is asked first.
             * @default 1000
             */
            readonly order?: number;
            /**
             * @description All must hold; an empty list is everything.
             * @default {}
             */
            readonly match?: {
                /** @default [] */
                readonly sources?: readonly components["schemas"]["Name"][];
                /**
                 * @description Names of rules; a `*` at the end is a prefix.
                 * @default []
                 */
                readonly rules?: readonly string[];
                /**
                 * @description One of them.
                 * @default []
                 */
                readonly tags?: readonly string[];
                /** @default debug */
                readonly minPriority?: components["schemas"]["Priority"];
                /**
                 * @description Of the pod; a `*` at the end is a prefix.
                 * @default []
                 */
                readonly namespaces?: readonly string[];
            };
            readonly action: components["schemas"]["ResponseAction"];
            /** @default pod */
            readonly scope?: components["schemas"]["ResponseScope"];
            /** @default none */
            readonly rotate?: components["schemas"]["ResponseRotation"];
        };
        /** @description An image that one of the patterns matches needs each named attestation by one of the authorities. */
        readonly AttestationRule: {
            readonly images: readonly components["schemas"]["PosturePattern"][];
            readonly authorities: readonly components["schemas"]["SigningAuthority"][];
            readonly slsaProvenance?: {
                readonly builders: readonly components["schemas"]["SigningIdentity"][];
            };
            readonly vulnScan?: {
                readonly maxAge: components["schemas"]["Duration"];
            };
        };
        readonly ClaimValue: string | number | boolean;
        /** @description A day such as `2026-12-31`, or an instant such as `2026-12-31T12:00:00Z` */
        readonly DayOrInstant: string;
        /** @description Name of an operator, `ci://<cluster>/<identity>` of a pipeline, or `watch:<cluster>`; `*` within a segment, `**` for any number of them */
        readonly EvidenceWriter: string;
        readonly Grant: {
            readonly role: components["schemas"]["Role"];
            /**
             * @description Path prefixes, or of `evidence-writer` prefixes of image repositories; without any, everything.
             * @default []
             */
            readonly scope?: readonly string[];
        };
        readonly PolicySubject: {
            readonly clusters: components["schemas"]["PolicyClusters"];
            readonly namespaces: readonly string[];
            readonly serviceAccounts: readonly string[];
            readonly podLabels?: {
                readonly [key: string]: components["schemas"]["LabelValue"];
            };
        } | {
            readonly clusters: components["schemas"]["PolicyClusters"];
            readonly identities: readonly components["schemas"]["IdentityPattern"][];
        };
        /** @description Segments joined by `/`; `*` within one, `**` for any number of them */
        readonly PosturePattern: string;
        /** @default [] */
        readonly PosturePatterns: readonly components["schemas"]["PosturePattern"][];
        /** @enum {string} */
        readonly PosturePermission: "allow" | "deny";
        /**
         * @description A level of syslog (RFC 5424). `notice` is more urgent than `informational`.
         * @enum {string}
         */
        readonly Priority: "debug" | "informational" | "notice" | "warning" | "error" | "critical" | "alert" | "emergency";
        /**
         * @description `revoke` ends sessions and leases; the pod may log in again. `quarantine` refuses everything until an operator lifts it.
         * @enum {string}
         */
        readonly ResponseAction: "audit" | "revoke" | "quarantine";
        /**
         * @description `read`: the secrets that the scope read are rotated at once, without waiting for their holders.
         * @enum {string}
         */
        readonly ResponseRotation: "none" | "read";
        /**
         * @description `workload` is the service account with all its pods, `image` all pods with the same image.
         * @enum {string}
         */
        readonly ResponseScope: "pod" | "workload" | "image";
        /** @enum {string} */
        readonly Role: "policy-editor" | "secret-editor" | "secret-reader" | "rotator" | "responder" | "evidence-writer" | "auditor" | "admin";
        /** @description How the broker rotates the credential at the path; docs/rotation.md. */
        readonly RotationSpec: {
            readonly connection?: components["schemas"]["Name"];
            /** @default generated */
            readonly strategy?: components["schemas"]["Name"];
            /**
             * @description Settings of the strategy; each has a page in docs/rotators.
             * @default {}
             */
            readonly options?: Record<string, unknown>;
            readonly schedule?: {
                readonly cron: string;
                /** @default UTC */
                readonly timeZone?: components["schemas"]["TimeZone"];
            } | {
                readonly every: components["schemas"]["Duration"];
            };
            readonly windows?: readonly {
                /**
                 * @default [
                 *       "mon",
                 *       "tue",
                 *       "wed",
                 *       "thu",
                 *       "fri",
                 *       "sat",
                 *       "sun"
                 *     ]
                 */
                readonly days?: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
                readonly from: components["schemas"]["TimeOfDay"];
                readonly to: components["schemas"]["TimeOfDay"];
                readonly timeZone: components["schemas"]["TimeZone"];
            }[];
            readonly jitter?: components["schemas"]["DurationOrNone"];
            readonly atMostEvery?: components["schemas"]["Duration"];
            /** @default false */
            readonly paused?: boolean;
            /**
             * @default afterAcks
             * @enum {string}
             */
            readonly retire?: "afterAcks" | "afterGrace" | "manual";
            readonly grace?: components["schemas"]["Duration"];
            readonly canary?: {
                /** @default 25 */
                readonly share?: number;
                readonly soak?: components["schemas"]["Duration"];
            };
            readonly drill?: {
                readonly every: components["schemas"]["Duration"];
            };
            /**
             * @description An admin confirms that the accounts of the target belong to this path. Without it the first rotation needs the current credential of the account as the stored value.
             * @constant
             */
            readonly takeover?: "confirmed";
        };
        /** @enum {string} */
        readonly Severity: "CRITICAL" | "HIGH" | "MEDIUM" | "LOW" | "NEGLIGIBLE" | "UNKNOWN";
        /** @description An image that one of the patterns matches needs a signature by one of the authorities. */
        readonly SignatureRule: {
            readonly images: readonly components["schemas"]["PosturePattern"][];
            readonly authorities: readonly components["schemas"]["SigningAuthority"][];
        };
        /** @description Has either `key` or `keyless` */
        readonly SigningAuthority: {
            readonly name: components["schemas"]["Name"];
            /** @description One public key in PEM: ECDSA on P-256, RSA of 2048 to 8192 bits, or Ed25519 */
            readonly key?: string;
            readonly keyless?: {
                readonly trustRoot: components["schemas"]["Name"];
                readonly identities: readonly {
                    readonly issuer: components["schemas"]["SigningIdentity"];
                    readonly subject: components["schemas"]["SigningIdentity"];
                }[];
            };
            /** @description Signatures made from then on do not count. */
            readonly revokedAt?: components["schemas"]["DayOrInstant"];
        };
        /** @description Exact, or a pattern whose scheme and host have no `*` */
        readonly SigningIdentity: string;
        /** @description internals/spec/access-policy-v1.md */
        readonly AccessPolicy: {
            /** @constant */
            readonly apiVersion: "quaymaster.dev/v1";
            /** @constant */
            readonly kind: "AccessPolicy";
            readonly metadata: {
                readonly name: components["schemas"]["Name"];
                readonly description?: string;
            };
            readonly spec: {
                readonly subjects: readonly components["schemas"]["PolicySubject"][];
                readonly rules: readonly components["schemas"]["PolicyRule"][];
            };
        };
        readonly PolicyClusters: readonly components["schemas"]["Name"][];
        readonly PolicyRule: {
            /** @enum {unknown} */
            readonly effect: "allow" | "deny";
            readonly paths: readonly components["schemas"]["PathPattern"][];
            readonly capabilities: readonly components["schemas"]["Capability"][];
            readonly name?: components["schemas"]["Name"];
            readonly maxLeaseTtl?: components["schemas"]["Duration"];
            readonly conditions?: {
                /** @description `true` in an allow matches only sessions with sealed answers. `false` in a deny matches all other sessions. */
                readonly sealedDelivery?: boolean;
                readonly sourceCidrs?: readonly components["schemas"]["CidrBlock"][];
                readonly timeWindows?: readonly {
                    readonly from: components["schemas"]["TimeOfDay"];
                    readonly to: components["schemas"]["TimeOfDay"];
                    readonly timeZone: components["schemas"]["TimeZone"];
                    readonly days?: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
                }[];
            };
        };
        /** @enum {unknown} */
        readonly Capability: "read" | "list" | "write" | "rotate";
        /**
         * @description An identity without `ci://<cluster>/`; `*` is any text within a segment after the first.
         * @example github/acme/*
         */
        readonly IdentityPattern: string;
        /**
         * @description Segments of a path; `*` is any text within one, `**` any segments. internals/spec/access-policy-v1.md
         * @example payments/**
         */
        readonly PathPattern: string;
        readonly LabelKey: string;
        readonly LabelValue: string;
    };
    responses: {
        /** @description Done */
        readonly WrittenSecret: {
            headers: {
                readonly ETag: components["headers"]["ETag"];
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["WrittenSecret"];
            };
        };
        /** @description Done */
        readonly SessionAnswer: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["SessionAnswer"];
            };
        };
        /** @description Accepted */
        readonly Rotation: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["Rotation"];
            };
        };
        /** @description Done */
        readonly Lease: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["Lease"];
            };
        };
        /** @description Done */
        readonly Approval: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["Approval"];
            };
        };
        /** @description Done */
        readonly StoredAccessPolicy: {
            headers: {
                readonly ETag: components["headers"]["ETag"];
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["StoredAccessPolicy"];
            };
        };
        /** @description Done */
        readonly StoredCluster: {
            headers: {
                readonly ETag: components["headers"]["ETag"];
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["StoredCluster"];
            };
        };
        /** @description Done */
        readonly StoredMount: {
            headers: {
                readonly ETag: components["headers"]["ETag"];
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["StoredMount"];
            };
        };
        /** @description Done */
        readonly StoredDefinition: {
            headers: {
                readonly ETag: components["headers"]["ETag"];
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["StoredDefinition"];
            };
        };
        /** @description Done */
        readonly StoredOperator: {
            headers: {
                readonly ETag: components["headers"]["ETag"];
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["StoredOperator"];
            };
        };
        /** @description Done */
        readonly EndedLogins: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["EndedLogins"];
            };
        };
        /** @description Done */
        readonly StoredRoleBinding: {
            headers: {
                readonly ETag: components["headers"]["ETag"];
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["StoredRoleBinding"];
            };
        };
        /** @description Done */
        readonly StoredPostureProfile: {
            headers: {
                readonly ETag: components["headers"]["ETag"];
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["StoredPostureProfile"];
            };
        };
        /** @description Done */
        readonly StoredResponseRule: {
            headers: {
                readonly ETag: components["headers"]["ETag"];
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["StoredResponseRule"];
            };
        };
        /** @description Done */
        readonly Alert: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["Alert"];
            };
        };
        /** @description Done */
        readonly Incident: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["Incident"];
            };
        };
        /** @description Done */
        readonly AuditPage: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["AuditPage"];
            };
        };
        /** @description Done */
        readonly Text: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "text/plain": string;
            };
        };
        /** @description Done */
        readonly Tile: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/octet-stream": unknown;
            };
        };
        /** @description Done */
        readonly KeyStatus: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["KeyStatus"];
            };
        };
        /** @description Refused or failed */
        readonly Problem: {
            headers: {
                readonly "Retry-After"?: number;
                readonly "WWW-Authenticate"?: string;
                readonly Allow?: string;
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: {
        readonly name: components["schemas"]["Name"];
        readonly path: components["schemas"]["SecretPath"];
        readonly tile: string;
        readonly id: components["schemas"]["Id"];
        /** @description With `true` the broker makes every check of the change, records it as `document.check`, and changes nothing. */
        readonly dryRun: "true" | "false";
        readonly workload: components["schemas"]["WorkloadName"];
        readonly pod: components["schemas"]["PodUid"];
        readonly idempotencyKey: components["schemas"]["IdempotencyKey"];
        readonly from: components["schemas"]["Instant"];
        readonly to: components["schemas"]["Instant"];
        /**
         * @description A proof of possession (RFC 9449 §4.2), a compact JWS: header `typ` `dpop+jwt`, `alg` `ES256` and the public P-256 key as `jwk`; claims
         *     `jti`, `htm`, `htu` (without query and fragment), `iat`; no `ath` at a login.
         */
        readonly dpop: string;
        readonly limit: number;
        /** @description The `next` of the previous page. */
        readonly after: string;
        readonly ifMatch: string;
        readonly ifNoneMatch: string;
    };
    requestBodies: {
        readonly RotationRequest: {
            readonly content: {
                readonly "application/json": components["schemas"]["RotationRequest"];
            };
        };
        readonly ApprovalDecision: {
            readonly content: {
                readonly "application/json": components["schemas"]["ApprovalDecision"];
            };
        };
        readonly AlertDecision: {
            readonly content: {
                readonly "application/json": components["schemas"]["AlertDecision"];
            };
        };
    };
    headers: {
        /** @description The version in quotes. */
        readonly ETag: string;
        readonly Location: string;
    };
    pathItems: never;
}
export interface operations {
    readonly readSecret: {
        readonly parameters: {
            readonly query?: {
                readonly version?: components["schemas"]["SecretVersionId"];
                /** @description Why an operator reads the values. The audit entry has it as `comment`. Workloads cannot give one. */
                readonly reason?: components["schemas"]["Reason"];
            };
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Disclosure"];
                    readonly "application/jose": components["schemas"]["SealedAnswer"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly writeSecret: {
        readonly parameters: {
            readonly query?: {
                readonly dropKeys?: "allow" | "refuse";
            };
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
                readonly "If-None-Match"?: components["parameters"]["ifNoneMatch"];
            };
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SecretWrite"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["WrittenSecret"];
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly ETag: components["headers"]["ETag"];
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WrittenSecret"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly deleteSecret: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
            };
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["DeletedSecret"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listSessions: {
        readonly parameters: {
            readonly query?: {
                readonly workload?: components["parameters"]["workload"];
                readonly cluster?: components["schemas"]["Name"];
                readonly pod?: components["parameters"]["pod"];
                /** @description Sessions whose login came from an address in this block. */
                readonly source?: components["schemas"]["CidrBlock"];
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SessionPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly createSession: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                /**
                 * @description A proof of possession (RFC 9449 §4.2), a compact JWS: header `typ` `dpop+jwt`, `alg` `ES256` and the public P-256 key as `jwk`; claims
                 *     `jti`, `htm`, `htu` (without query and fragment), `iat`; no `ath` at a login.
                 */
                readonly DPoP?: components["parameters"]["dpop"];
            };
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["LogIn"];
            };
        };
        readonly responses: {
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["OpenedSession"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly endSessions: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SessionSelection"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Ended"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readSession: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["SessionAnswer"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly endSession: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly renewSession: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SessionRenewal"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["SessionAnswer"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readSecrets: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["Batch"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["BatchAnswer"];
                    readonly "application/jose": components["schemas"]["SealedAnswer"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listSecrets: {
        readonly parameters: {
            readonly query?: {
                readonly prefix?: components["schemas"]["SecretPath"];
                readonly deleted?: boolean;
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SecretPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly patchSecret: {
        readonly parameters: {
            readonly query?: {
                readonly absentKeys?: "allow" | "refuse";
            };
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
            };
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SecretPatch"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["WrittenSecret"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly describeSecret: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                /** @description The version of the metadata that the caller expects, in quotes */
                readonly "If-Match"?: string;
                readonly "If-None-Match"?: components["parameters"]["ifNoneMatch"];
            };
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SecretDescription"];
            };
        };
        readonly responses: {
            /** @description Changed */
            readonly 200: {
                headers: {
                    readonly ETag: components["headers"]["ETag"];
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["DescribedSecret"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly undeleteSecret: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SecretRestoration"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["WrittenSecret"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly destroySecret: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
            };
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SecretDestruction"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listSecretVersions: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SecretVersions"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly issueCredential: {
        readonly parameters: {
            readonly query?: never;
            readonly header: {
                readonly "Idempotency-Key": components["schemas"]["IdempotencyKey"];
            };
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["CredentialOrder"];
            };
        };
        readonly responses: {
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Disclosure"];
                    readonly "application/jose": components["schemas"]["SealedAnswer"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly acknowledge: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["Acknowledgements"];
            };
        };
        readonly responses: {
            /** @description Each item, in order */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AcknowledgementsAnswer"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly followEvents: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                /** @description The id of the last event that was seen. */
                readonly "Last-Event-ID"?: string;
            };
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The stream, until one side closes it */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "text/event-stream": string;
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly followChanges: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The stream, until one side closes it */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "text/event-stream": string;
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listRotations: {
        readonly parameters: {
            readonly query?: {
                /** @description Next run at this time or before. */
                readonly dueBefore?: string;
                /**
                 * @description Paths whose run or drill was due five minutes ago and has not begun, or has not reached its new version since; paths whose proof is older than their drill
                 *     interval; and certificates in the last third of their lifetime that no schedule will replace.
                 */
                readonly overdue?: boolean;
                /** @description Paths whose credential no rotation and no drill has tested. */
                readonly neverProven?: boolean;
                readonly state?: "running" | "parked" | "undoing";
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RotationPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readRotation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RotationStatus"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readRotationHistory: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RotationHistory"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly runRotation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["RotationRun"];
            };
        };
        readonly responses: {
            readonly 202: components["responses"]["Rotation"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly drillRotation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "Idempotency-Key"?: components["parameters"]["idempotencyKey"];
            };
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: components["requestBodies"]["RotationRequest"];
        readonly responses: {
            readonly 202: components["responses"]["Rotation"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly retryRotation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: components["requestBodies"]["RotationRequest"];
        readonly responses: {
            readonly 202: components["responses"]["Rotation"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly abortRotation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: components["requestBodies"]["RotationRequest"];
        readonly responses: {
            readonly 202: components["responses"]["Rotation"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly rollBackRotation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: components["requestBodies"]["RotationRequest"];
        readonly responses: {
            readonly 202: components["responses"]["Rotation"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly retireRotation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: components["requestBodies"]["RotationRequest"];
        readonly responses: {
            readonly 202: components["responses"]["Rotation"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listLeases: {
        readonly parameters: {
            readonly query?: {
                readonly workload?: components["parameters"]["workload"];
                readonly pod?: components["parameters"]["pod"];
                /** @description The path and what lies below it. */
                readonly path?: components["schemas"]["SecretPath"];
                readonly mount?: components["schemas"]["Name"];
                readonly state?: "live" | "ended";
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["LeasePage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readLease: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["Lease"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly releaseLease: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly renewLease: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["LeaseRenewal"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["Lease"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly revokeLeases: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["LeaseRevocation"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RevokedLeases"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listRevocations: {
        readonly parameters: {
            readonly query?: {
                readonly state?: "revoking" | "irrevocable" | "expiring";
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RevocationPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly retryRevocation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Accepted */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RetriedRevocation"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly seal: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SealOrder"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Sealed"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listQuarantines: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["QuarantineList"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly createQuarantine: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["QuarantineWish"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["CreatedQuarantine"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly liftQuarantine: {
        readonly parameters: {
            readonly query: {
                /** @description Why the quarantine is lifted. The audit entry has it as `comment`. */
                readonly reason: components["schemas"]["Reason"];
            };
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listAttestations: {
        readonly parameters: {
            readonly query?: {
                readonly digest?: components["schemas"]["ImageDigest"];
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AttestationPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly pushAttestation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["AttestationPush"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AcceptedAttestation"];
                };
            };
            /** @description Stored */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AcceptedAttestation"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readAttestation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WholeAttestation"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly deleteAttestation: {
        readonly parameters: {
            readonly query?: {
                /** @description The audit entry has it as `comment`. */
                readonly reason?: components["schemas"]["Reason"];
            };
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly requestBreakGlass: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["BreakGlassWish"];
            };
        };
        readonly responses: {
            readonly 201: components["responses"]["Approval"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listApprovals: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ApprovalList"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readApproval: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["Approval"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly withdrawRequest: {
        readonly parameters: {
            readonly query?: {
                /** @description Why it is withdrawn. The audit entry has it as `comment`. */
                readonly reason?: components["schemas"]["Reason"];
            };
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly approveRequest: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: components["requestBodies"]["ApprovalDecision"];
        readonly responses: {
            readonly 200: components["responses"]["Approval"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly denyRequest: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: components["requestBodies"]["ApprovalDecision"];
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly confirmDocuments: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["DocumentConfirmation"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly requireApprovals: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["ApprovalRule"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ApprovalRule"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listPolicies: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AccessPolicyPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readPolicy: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["StoredAccessPolicy"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly putPolicy: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true` the broker makes every check of the change, records it as `document.check`, and changes nothing. */
                readonly dryRun?: components["parameters"]["dryRun"];
            };
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
                readonly "If-None-Match"?: components["parameters"]["ifNoneMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["AccessPolicy"];
                readonly "application/yaml": components["schemas"]["AccessPolicy"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["StoredAccessPolicy"];
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly ETag: components["headers"]["ETag"];
                    readonly Location: components["headers"]["Location"];
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["StoredAccessPolicy"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly deletePolicy: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listPolicyVersions: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AccessPolicyVersions"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly validatePolicy: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": unknown;
                readonly "application/yaml": unknown;
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Validation"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly explainDecision: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["Question"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Explanation"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly explainEntry: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    /** @description Of the entry in the log. */
                    readonly index: number;
                } | {
                    readonly requestId: string;
                };
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly items: readonly components["schemas"]["ExplainedEntry"][];
                    };
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly replayPolicies: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    /** @description Changes of policies that are not saved. Without it, everything is decided by the current policies only. */
                    readonly draft?: {
                        /**
                         * @description Each is the JSON text of an AccessPolicy. It is added, or replaces the policy of its name. A text of its own has the
                         *     bounds of one document.
                         */
                        readonly policies?: readonly string[];
                        /** @description Names of policies to remove. */
                        readonly remove?: readonly components["schemas"]["Name"][];
                    };
                    /** Format: date-time */
                    readonly from: string;
                    /**
                     * Format: date-time
                     * @description Without it, the live leases are decided too.
                     */
                    readonly to?: string;
                    readonly after?: string;
                };
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["PolicyReplay"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly explainPosture: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["PostureQuestion"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ExplainedPostures"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly surveyPosture: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["PostureProfile"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SurveyedPods"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listEvidence: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
                /** @description Only evidence about the image with this digest */
                readonly image?: components["schemas"]["EvidenceDigest"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["EvidencePage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly pushEvidence: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["PushedReport"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["PushedEvidence"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readEvidence: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["EvidenceDetails"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly deleteEvidence: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listClusters: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ClusterPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readCluster: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["StoredCluster"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly putCluster: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true` the broker makes every check of the change, records it as `document.check`, and changes nothing. */
                readonly dryRun?: components["parameters"]["dryRun"];
            };
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
                readonly "If-None-Match"?: components["parameters"]["ifNoneMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["Cluster"];
                readonly "application/yaml": components["schemas"]["Cluster"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["StoredCluster"];
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly ETag: components["headers"]["ETag"];
                    readonly Location: components["headers"]["Location"];
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["StoredCluster"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly deleteCluster: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listClusterVersions: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ClusterVersions"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly checkCluster: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["CheckReport"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly enrollCluster: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["EnrolmentCode"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly joinCluster: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["ClusterJoin"];
            };
        };
        readonly responses: {
            /** @description The cluster has enrolled */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["JoinedCluster"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listEnrolments: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["EnrolmentList"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly endEnrolment: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Ended */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listMounts: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["MountPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readMount: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["StoredMount"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly putMount: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true` the broker makes every check of the change, records it as `document.check`, and changes nothing. */
                readonly dryRun?: components["parameters"]["dryRun"];
            };
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
                readonly "If-None-Match"?: components["parameters"]["ifNoneMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["Mount"];
                readonly "application/yaml": components["schemas"]["Mount"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["StoredMount"];
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly ETag: components["headers"]["ETag"];
                    readonly Location: components["headers"]["Location"];
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["StoredMount"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly deleteMount: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listMountVersions: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["MountVersions"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly checkMount: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["CheckReport"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listDefinitions: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["DefinitionPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readDefinition: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["StoredDefinition"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly putDefinition: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true` the broker makes every check of the change, records it as `document.check`, and changes nothing. */
                readonly dryRun?: components["parameters"]["dryRun"];
            };
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
                readonly "If-None-Match"?: components["parameters"]["ifNoneMatch"];
            };
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["Definition"];
                readonly "application/yaml": components["schemas"]["Definition"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["StoredDefinition"];
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly ETag: components["headers"]["ETag"];
                    readonly Location: components["headers"]["Location"];
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["StoredDefinition"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly deleteDefinition: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
            };
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listDefinitionVersions: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["path"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["DefinitionVersions"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listOperators: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["OperatorPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readOperator: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["StoredOperator"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly putOperator: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true` the broker makes every check of the change, records it as `document.check`, and changes nothing. */
                readonly dryRun?: components["parameters"]["dryRun"];
            };
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
                readonly "If-None-Match"?: components["parameters"]["ifNoneMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["Operator"];
                readonly "application/yaml": components["schemas"]["Operator"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["StoredOperator"];
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly ETag: components["headers"]["ETag"];
                    readonly Location: components["headers"]["Location"];
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["StoredOperator"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly deleteOperator: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listOperatorVersions: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["OperatorVersions"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly beginPersonLogin: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["LoginOrder"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["BegunLogin"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly finishPersonLogin: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                /**
                 * @description A proof of possession (RFC 9449 §4.2), a compact JWS: header `typ` `dpop+jwt`, `alg` `ES256` and the public P-256 key as `jwk`; claims
                 *     `jti`, `htm`, `htu` (without query and fragment), `iat`; no `ath` at a login.
                 */
                readonly DPoP?: components["parameters"]["dpop"];
            };
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["LoginAnswer"];
            };
        };
        readonly responses: {
            /** @description Logged in */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["FinishedLogin"];
                };
            };
            /** @description The person has not confirmed yet; ask again after the interval */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["PendingLogin"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly endOwnLogin: {
        readonly parameters: {
            readonly query?: {
                readonly everywhere?: "true" | "false";
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["EndedLogins"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly endPersonLogins: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["LoginSelection"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["EndedLogins"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listSecurityKeys: {
        readonly parameters: {
            readonly query?: {
                readonly person?: components["schemas"]["PersonName"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SecurityKeyList"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly beginSecurityKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SecurityKeyOrder"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["BegunSecurityKey"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly finishSecurityKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SecurityKeyAnswer"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SecurityKey"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly removeSecurityKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SecurityKeyRemoval"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listRoleBindings: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RoleBindingPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readRoleBinding: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["StoredRoleBinding"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly putRoleBinding: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true` the broker makes every check of the change, records it as `document.check`, and changes nothing. */
                readonly dryRun?: components["parameters"]["dryRun"];
            };
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
                readonly "If-None-Match"?: components["parameters"]["ifNoneMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["RoleBinding"];
                readonly "application/yaml": components["schemas"]["RoleBinding"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["StoredRoleBinding"];
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly ETag: components["headers"]["ETag"];
                    readonly Location: components["headers"]["Location"];
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["StoredRoleBinding"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly deleteRoleBinding: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listRoleBindingVersions: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RoleBindingVersions"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listPostureProfiles: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["PostureProfilePage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readPostureProfile: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["StoredPostureProfile"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly putPostureProfile: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true` the broker makes every check of the change, records it as `document.check`, and changes nothing. */
                readonly dryRun?: components["parameters"]["dryRun"];
            };
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
                readonly "If-None-Match"?: components["parameters"]["ifNoneMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["PostureProfile"];
                readonly "application/yaml": components["schemas"]["PostureProfile"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["StoredPostureProfile"];
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly ETag: components["headers"]["ETag"];
                    readonly Location: components["headers"]["Location"];
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["StoredPostureProfile"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly deletePostureProfile: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listPostureProfileVersions: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["PostureProfileVersions"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listResponseRules: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ResponseRulePage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readResponseRule: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["StoredResponseRule"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly putResponseRule: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true` the broker makes every check of the change, records it as `document.check`, and changes nothing. */
                readonly dryRun?: components["parameters"]["dryRun"];
            };
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
                readonly "If-None-Match"?: components["parameters"]["ifNoneMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["ResponseRule"];
                readonly "application/yaml": components["schemas"]["ResponseRule"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["StoredResponseRule"];
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly ETag: components["headers"]["ETag"];
                    readonly Location: components["headers"]["Location"];
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["StoredResponseRule"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly deleteResponseRule: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                readonly "If-Match"?: components["parameters"]["ifMatch"];
            };
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listResponseRuleVersions: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ResponseRuleVersions"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly receiveAlert: {
        readonly parameters: {
            readonly query?: {
                /** @description Ignored. The audit webhook of Kubernetes adds it. */
                readonly timeout?: string;
            };
            readonly header?: never;
            readonly path: {
                /** @description Name of the source in the configuration. */
                readonly name: components["schemas"]["Name"];
            };
            readonly cookie?: never;
        };
        /** @description At most 256 KiB, in the format of the source; 10 MiB for `kubernetes-audit`. A larger body of a source is itself an alert. */
        readonly requestBody: {
            readonly content: {
                readonly "application/json": Record<string, unknown>;
            };
        };
        readonly responses: {
            /** @description Accepted */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ReceivedAlerts"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listAlertSources: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AlertSourceList"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listAlerts: {
        readonly parameters: {
            readonly query?: {
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
                /** @description `unmatched`: no running pod is certain to be meant. `pending`: the response waits for an operator. */
                readonly state?: components["schemas"]["AlertState"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AlertPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly approveAlert: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: components["requestBodies"]["AlertDecision"];
        readonly responses: {
            readonly 200: components["responses"]["Alert"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly dismissAlert: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: components["requestBodies"]["AlertDecision"];
        readonly responses: {
            readonly 200: components["responses"]["Alert"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly openIncident: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["IncidentWish"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["Incident"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readIncident: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true`, the secrets that were read only before the time of the incident are shown too. */
                readonly all?: boolean;
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path: {
                /** @description Id of the incident or of the alert. */
                readonly id: components["schemas"]["Id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["Incident"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly applyDocuments: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true` the broker makes every check of the changes, records them as `document.check`, and changes nothing. */
                readonly dryRun?: "true" | "false";
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["DocumentBatch"];
            };
        };
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["DocumentBatchAnswer"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readOwnToken: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["OwnToken"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listOperatorTokens: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["OperatorTokens"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly createOperatorToken: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["OperatorTokenOrder"];
            };
        };
        readonly responses: {
            /** @description Created */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["CreatedOperatorToken"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly revokeOperatorToken: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly name: components["parameters"]["name"];
                readonly id: components["parameters"]["id"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly traceAudit: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["Trace"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["AuditPage"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly searchAudit: {
        readonly parameters: {
            readonly query?: {
                readonly workload?: string;
                readonly cluster?: string;
                readonly namespace?: string;
                readonly pod?: string;
                readonly operator?: string;
                readonly system?: string;
                readonly path?: string;
                readonly pathPrefix?: string;
                readonly document?: string;
                /**
                 * @description The place at a backend of a read, an issue or a rotation, as `<kind>:<place>`, such as `vault:secret/data/payments/db`. Finds
                 *     the entries of all paths that lead there.
                 */
                readonly locator?: string;
                /** @description Also finds the summaries of refusals of this action. An unknown action is refused. */
                readonly action?: "session.create" | "session.renew" | "session.read" | "session.end" | "session.list" | "quarantine.create" | "quarantine.lift" | "quarantine.list" | "attestation.push" | "attestation.list" | "attestation.delete" | "approval.request" | "approval.approve" | "approval.deny" | "approval.withdraw" | "approval.use" | "approval.expire" | "approval.list" | "approval.require" | "secret.read" | "secret.list" | "secret.write" | "secret.delete" | "secret.undelete" | "secret.destroy" | "secret.acknowledge" | "event.follow" | "credential.issue" | "credential.revoke" | "lease.read" | "lease.list" | "lease.renew" | "lease.revoke" | "lease.expire" | "pod.end" | "rotation.start" | "rotation.step" | "rotation.end" | "rotation.veto" | "rotation.request" | "rotation.abort" | "rotation.retry" | "rotation.retire" | "rotation.read" | "rotation.list" | "document.read" | "document.write" | "document.delete" | "document.check" | "operator-token.create" | "operator-token.revoke" | "operator-token.list" | "security-key.register" | "security-key.prove" | "security-key.remove" | "security-key.list" | "policy.validate" | "policy.explain" | "policy.replay" | "audit.search" | "audit.trace" | "audit.export" | "request.refused" | "request.refused_summary" | "backup.create" | "drill.record" | "backup.list" | "config.read" | "config.reload" | "key.list" | "key.rotate" | "key.activate" | "key.destroy" | "key.wrap" | "key.unwrap" | "broker.start" | "broker.stop" | "broker.seal" | "broker.release" | "broker.hold" | "state.digest" | "recovery";
                readonly outcome?: "ok" | "deny" | "error";
                readonly code?: components["schemas"]["ErrorCode"];
                readonly version?: string;
                readonly lease?: string;
                readonly credential?: string;
                readonly session?: string;
                readonly token?: string;
                readonly requestId?: string;
                readonly fingerprint?: string;
                readonly from?: components["parameters"]["from"];
                readonly to?: components["parameters"]["to"];
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["AuditPage"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listReceivers: {
        readonly parameters: {
            readonly query: {
                readonly path: components["schemas"]["SecretPath"];
                /** @description Only callers that received this version. */
                readonly version?: string;
                readonly from?: components["parameters"]["from"];
                readonly to?: components["parameters"]["to"];
                readonly limit?: components["parameters"]["limit"];
                /** @description The `next` of the previous page. */
                readonly after?: components["parameters"]["after"];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ReceiversPage"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly proveEntry: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly index: number;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["EntryProof"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readCheckpoint: {
        readonly parameters: {
            readonly query?: {
                /** @description The last checkpoint that enough witnesses cosigned, with a signature line of each; 404 if there is none. It covers fewer entries than the last checkpoint. */
                readonly witnessed?: boolean;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["Text"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readLogKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["Text"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listHeads: {
        readonly parameters: {
            readonly query?: {
                readonly start?: number;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly items: readonly components["schemas"]["BatchHead"][];
                    };
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readTile: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["tile"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["Tile"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readKeys: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["KeyStatus"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly rotateKeys: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["KeyRotation"];
            };
        };
        readonly responses: {
            /** @description In progress */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["KeyStatus"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly retireKek: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["KekRetirement"];
            };
        };
        readonly responses: {
            readonly 200: components["responses"]["KeyStatus"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readArchive: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AuditArchive"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listArchiveObjects: {
        readonly parameters: {
            readonly query?: {
                /** @description Index of an entry; the list starts with the object that has it. */
                readonly start?: number;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly items: readonly components["schemas"]["ArchiveObject"][];
                    };
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly archiveAudit: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["ArchiveRequest"];
            };
        };
        readonly responses: {
            /** @description In progress, or the plan of a dry run */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ArchiveRun"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly listBackups: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["BackupList"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly createBackup: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description In progress */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["BackupRun"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly recordDrill: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["DrillReport"];
            };
        };
        readonly responses: {
            /** @description Recorded */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readConfiguration: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ConfigurationInUse"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly reloadConfiguration: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The configuration in use now */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ConfigurationInUse"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readRoot: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["Text"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readPublicCheckpoint: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["Text"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readPublicTile: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly path: components["parameters"]["tile"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["Tile"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readKeyPage: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "text/html": string;
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readKeyScript: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "text/javascript": string;
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readHealth: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Health"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readReadiness: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Readiness"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            /** @description Not now */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Readiness"];
                };
            };
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readStatus: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["BrokerStatus"];
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readMetrics: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: components["responses"]["Text"];
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
    readonly readOpenApi: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Done */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": Record<string, unknown>;
                };
            };
            readonly 400: components["responses"]["Problem"];
            readonly default: components["responses"]["Problem"];
        };
    };
}
