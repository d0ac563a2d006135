import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ALICE, PeopleApi, queryOf } from '../kit/identity/people-api.ts';
import { HandClock } from '../kit/time/hand-clock.ts';

const clock = new HandClock(Date.now());
const MINUTES = 15;
let short: PeopleApi;

beforeAll(async () => {
  short = await PeopleApi.start(clock, { sessionSeconds: MINUTES * 60 });
});
afterAll(() => short.stop());

it('gives a person who left no access after sessionSeconds, however busy the session is', async () => {
  // The issuer has the time of the system.
  clock.advance(Math.max(0, Date.now() - clock.now()));
  short.corp.user = ALICE;
  const token = await short.logIn();
  const begun = clock.now();
  // The issuer removes the person from the group of the binding. The broker keeps no token of the issuer, so it learns that at the next login.
  short.corp.user = { ...ALICE, claims: { groups: ['staff'] } };
  let last = begun;
  for (let minute = 0; minute < 2 * MINUTES; minute += 1) {
    const { status } = await short.api.call('GET', '/api/v1/quarantines', { token });
    if (status === 200) last = clock.now();
    else expect(status).toBe(401);
    clock.advance(60_000);
  }
  expect(last - begun).toBeLessThanOrEqual(MINUTES * 60_000);
  expect(last).toBeGreaterThan(begun);
  const { login, address } = await short.begin();
  const refused = await short.finish(login, queryOf(await short.corp.browse(address)));
  expect(refused).toMatchObject({ status: 403, body: { code: 'ERR_NO_ROLE' } });
});
