import { z } from 'zod';
import { uniqueName } from './unique-name.ts';

/** The server's address and a token; `rootToken` may be any token. */
export interface OpenBaoAccess {
  readonly address: string;
  readonly rootToken: string;
}

type Verb = 'GET' | 'PUT' | 'POST' | 'DELETE' | 'LIST';

/** One request under `/v1/`; the body is null if the answer has none. */
export async function openBaoRequest(
  bao: OpenBaoAccess,
  verb: Verb,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${bao.address}/v1/${path}`, {
    method: verb,
    headers: bao.rootToken === '' ? {} : { 'x-vault-token': bao.rootToken },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

/** One request that must succeed. @returns its body. */
export async function openBaoCall(
  bao: OpenBaoAccess,
  verb: Verb,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const answer = await openBaoRequest(bao, verb, path, body);
  if (answer.status < 400) return answer.body;
  throw new Error(`OpenBao ${verb} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

/** Mounts a secrets engine (`kv`, `transit`, `database` …) at a unique path. @returns the path. */
export async function mountEngine(
  bao: OpenBaoAccess,
  type: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const path = uniqueName(type);
  await openBaoCall(bao, 'POST', `sys/mounts/${path}`, { type, ...options });
  return path;
}

const issued = z.object({ auth: z.object({ client_token: z.string() }) });

/** Writes a policy (HCL) under a unique name. @returns a token with only that policy. */
export async function createToken(
  bao: OpenBaoAccess,
  policy: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const name = uniqueName('policy');
  await openBaoCall(bao, 'PUT', `sys/policies/acl/${name}`, { policy });
  const request = { policies: [name], no_default_policy: true, no_parent: true, ...options };
  const answer = await openBaoCall(bao, 'POST', 'auth/token/create', request);
  return issued.parse(answer).auth.client_token;
}
