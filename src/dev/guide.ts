import { join } from 'node:path';
import type { DevFiles } from './dev-config.ts';

/**
 * The lines to paste into another terminal. They work in bash and zsh: an interactive zsh has no comments and splits no variables into words, so
 * explanations are arguments of `:` without apostrophes, and programs are functions.
 */
export function guide(url: string, files: DevFiles): string {
  const login = join(files.directory, 'login.json');
  // The running program itself, so that the lines work in any directory and with any Node first on the path.
  const program = `"${process.execPath}" "${process.argv[1] ?? 'quaymaster'}"`;
  const exported = join(files.directory, `export-$(date +%s)`);
  const operator = `-H "Authorization: Bearer $(cat ${files.operatorToken})"`;
  const json = `-H 'Content-Type: application/json'`;
  return `
Quaymaster listens at ${url}, on this machine only. Stop it with Ctrl-C. Its files are in ${files.directory}.
Paste these lines into another terminal:

: 'log in as a pod of the service account shop/web, whose token is in login.json'
SESSION=$(curl -s ${url}/api/v1/sessions ${json} -d @${login} | sed -E 's/.*"token":"([^"]+)".*/\\1/')
: 'read one secret, under a lease'
curl -s ${url}/api/v1/secrets/demo/shop/db -H "Authorization: Bearer $SESSION"; echo
: 'read several secrets in one call'
curl -s ${url}/api/v1/secrets:batch -H "Authorization: Bearer $SESSION" ${json} -d '{"items":[{"path":"demo/shop/db"},{"path":"demo/shop/api"},{"path":"demo/payments/db"}]}'; echo
: 'read a secret that the policy does not allow'
curl -s ${url}/api/v1/secrets/demo/payments/db -H "Authorization: Bearer $SESSION"; echo
: 'rotate the password, and list who holds which version: the pod above still holds the old one'
curl -s -X POST ${url}/api/v1/rotations/demo/shop/db:run ${operator} ${json} -d '{"comment":"try it"}'; echo; sleep 1
curl -s ${url}/api/v1/rotations/demo/shop/db ${operator}; echo
: 'search the audit log, with the token of the operator'
curl -s "${url}/api/v1/audit/entries?limit=5" ${operator}; echo
: 'the same on the command line; an operator sees no values without a role for it'
qm() { ${program} "$@"; }; operator() { qm "$@" --url ${url} --token-file ${files.operatorToken}; }
operator ls demo; operator rotate status demo/shop/db
: 'write files for an application, as the sidecar does; without --once it keeps them current'
qm agent --config ${files.agentConfig} --once && ls -lA ${files.secrets} && cat ${files.secrets}/db.env
: 'export the log and verify it offline, against a copy of the checkpoint from before the export'
EXPORT=${exported}; cp ${files.checkpoint} "$EXPORT.checkpoint" && operator audit export "$EXPORT" && qm audit verify "$EXPORT" --checkpoint "$EXPORT.checkpoint"
`;
}
