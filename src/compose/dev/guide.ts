import { join } from 'node:path';
import type { DevFiles } from './dev-config.ts';

/** What to paste into another terminal. */
export function guide(url: string, files: DevFiles): string {
  const login = join(files.directory, 'login.json');
  // The very program that runs now, so that the line works in any directory and with any Node before it on the path.
  const program = `${process.execPath} ${process.argv[1] ?? 'quaymaster'}`;
  const exported = join(files.directory, `export-$(date +%s)`);
  return `
Quaymaster listens at ${url}, on this machine only. Stop it with Ctrl-C; its files are in ${files.directory}.
Paste into another terminal, line by line:

# log in as a pod of the service account shop/web (the file holds its token)
SESSION=$(curl -s ${url}/api/v1/sessions -H 'Content-Type: application/json' -d @${login} | sed -E 's/.*"token":"([^"]+)".*/\\1/')
# read one secret, under a lease
curl -s ${url}/api/v1/secrets/demo/shop/db -H "Authorization: Bearer $SESSION"; echo
# read several in one call
curl -s ${url}/api/v1/secrets:batch -H "Authorization: Bearer $SESSION" -H 'Content-Type: application/json' -d '{"items":[{"path":"demo/shop/db"},{"path":"demo/shop/api"},{"path":"demo/payments/db"}]}'; echo
# be refused
curl -s ${url}/api/v1/secrets/demo/payments/db -H "Authorization: Bearer $SESSION"; echo
# give it a new password, and see who is on which version: whoever read it above still holds the old one
curl -s -X POST ${url}/api/v1/rotations/demo/shop/db:run -H "Authorization: Bearer $(cat ${files.operatorToken})" -H 'Content-Type: application/json' -d '{"comment":"try it"}'; echo; sleep 1
curl -s ${url}/api/v1/rotations/demo/shop/db -H "Authorization: Bearer $(cat ${files.operatorToken})"; echo
# see who did what (the operator's token is in a file of its own)
curl -s "${url}/api/v1/audit/entries?limit=5" -H "Authorization: Bearer $(cat ${files.operatorToken})"; echo
# the same on the command line: as an operator, who does not see values unless a role says so
QM="${program}"; OPERATOR="--url ${url} --token-file ${files.operatorToken}"
$QM ls demo $OPERATOR; $QM rotate status demo/shop/db $OPERATOR
# files for an application, as the sidecar writes them: resident without --once, it keeps them current and says when they are in use
$QM agent --config ${files.agentConfig} --once && ls -lA ${files.secrets} && cat ${files.secrets}/db.env
# take the log out and prove it offline, against the checkpoint that is kept outside the store (copied first: the export is an entry too)
EXPORT=${exported}; cp ${files.checkpoint} "$EXPORT.checkpoint" && $QM audit export "$EXPORT" $OPERATOR && $QM audit verify "$EXPORT" --checkpoint "$EXPORT.checkpoint"
`;
}
