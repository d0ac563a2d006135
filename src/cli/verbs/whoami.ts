import type { CliContext } from '../connection/context.ts';
import {
  grantText,
  isSessionToken,
  readIdentity,
  tokenKind,
  type Identity,
} from '../connection/identity.ts';
import { fields } from '../output/table.ts';

/** Shows the caller's identity as the broker knows it, and when the login expires. */
export async function runWhoami({ broker, target, output, clock }: CliContext): Promise<void> {
  const { profile, profileName } = await target();
  const { login } = profile;
  const isSession = login.kind === 'workload' || isSessionToken(login.token);
  const identity = await readIdentity(await broker(), isSession);
  await output.show(identity, () =>
    fields([['profile', profileName], ['broker', profile.url], ...lines(identity)], clock.now()),
  );
}

function lines(identity: Identity): readonly (readonly [string, unknown])[] {
  if ('operator' in identity) {
    const { operator, id, grants, sourceCidrs, endsAt, keyThumbprint } = identity.operator;
    return [
      ['operator', operator],
      ['token', id],
      ['kind', tokenKind(keyThumbprint)],
      ['roles', grants.map(grantText)],
      ['from', sourceCidrs.length === 0 ? 'anywhere' : sourceCidrs],
      ['expires', endsAt],
    ];
  }
  const { workload, id, endsAt } = identity.session;
  return [
    ['workload', workload.id],
    ['pod', workload.pod?.name],
    ['session', id],
    ['expires', endsAt],
  ];
}
