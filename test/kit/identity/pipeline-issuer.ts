import { OidcIssuer } from './oidc-issuer.ts';

/** The audience of the ID tokens of jobs. */
export const PIPELINE_CLIENT = 'quaymaster-ci';

/** Starts the issuer of a CI service. Its tokens name the repository and the environment of a job. */
export function startPipelineIssuer(): Promise<OidcIssuer> {
  return OidcIssuer.start({
    clients: [
      {
        client_id: PIPELINE_CLIENT,
        redirect_uris: ['http://127.0.0.1/callback'],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
      },
    ],
    claims: ['repository', 'environment'],
  });
}

/** The next ID tokens are for this job. */
export function useJob(issuer: OidcIssuer, repository: string, environment: string): void {
  issuer.user = { sub: `repo:${repository}`, claims: { repository, environment } };
}

/** A cluster of its jobs, for a connection `issuer`: `ci://<cluster>/<owner>/<repository>/<environment>`. */
export function pipelineCluster(issuer: OidcIssuer): object {
  return {
    type: 'oidc',
    connection: 'issuer',
    issuer: issuer.url,
    audiences: [PIPELINE_CLIENT],
    identity: [{ claim: 'repository', parts: 2 }, { claim: 'environment' }],
  };
}
