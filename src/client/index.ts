/** The client library, `@quaymaster/client`: docs/client.md. */
export { BrokerClient, type EventOptions } from './broker-client.ts';
export {
  CertificateFiles,
  UnusableCertificate,
  type CertificateFilesOptions,
  type ClientCertificate,
} from './certificate-files.ts';
export type { ClientOptions } from './connection.ts';
export type {
  Answer,
  CallId,
  CallInput,
  InputArguments,
  ItemOf,
  OperationId,
  PagedId,
  RawBody,
  Secret,
  SuccessBody,
} from './contract-types.ts';
export { bearer, type Authorization, type Credential, type RequestFacts } from './credential.ts';
export { ApiError, InputError, UnreachableError, type UnreachableReason } from './errors.ts';
export type { BrokerEvent, ChangeEvent } from './follow-events.ts';
export type { components, operations } from '../ports/openapi/api.ts';
export { createLoginKey, openLoginKey, type LoginKey, type PrivateJwk } from './login-key.ts';
export type { FollowOptions } from './follow-secrets.ts';
export { OPERATIONS } from '../ports/openapi/operations.ts';
export { WorkloadSession, type LogIn } from './workload-session.ts';
