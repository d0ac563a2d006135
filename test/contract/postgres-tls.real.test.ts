import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/process/clock.ts';
import type { SecretData } from '../../src/domain/secrets/secret.ts';
import { Sensitive } from '../../src/domain/secrets/sensitive.ts';
import type { PostgresServer } from '../../src/providers/postgres/client/server.ts';
import { postgresAt } from '../../src/providers/postgres/open.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { startPostgres } from '../kit/backends/postgres.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import {
  type Certificate,
  CertificateAuthority,
  type CertificateRequest,
} from '../kit/network/certificates.ts';
import { PostgresEavesdropper, TLS_REQUEST } from '../kit/databases/postgres-eavesdropper.ts';
import { makePostgresPlace, type PostgresPlace } from '../kit/databases/postgres-fixture.ts';
import { turnOf, wholeText } from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

const AN_HOUR_MS = 3_600_000;
/** The server that the broker expects by default. */
const EXPECTED: CertificateRequest = { commonName: 'db', ipAddresses: ['127.0.0.1'] };
const REFUSED = { code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'tls' };
const PASSWORD = 'canary-5c1e-password';

describeWith(['postgres'], 'PostgreSQL over TLS', ({ postgres }) => {
  const authority = new CertificateAuthority('authority of this suite');
  let place: PostgresPlace;
  let directory: string;
  let caFile: string;
  const open: PostgresEavesdropper[] = [];
  beforeAll(async () => {
    place = await makePostgresPlace(postgres);
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-postgres-tls-'));
    caFile = join(directory, 'ca.crt');
    await writeFile(caFile, authority.cert);
  });
  afterEach(async () => {
    for (const eavesdropper of open.splice(0)) await eavesdropper.close();
  });
  afterAll(async () => {
    await place.close();
    await rm(directory, { recursive: true });
  });

  const eavesdrop = async (certificate?: Certificate, target = place.port) => {
    const eavesdropper = await PostgresEavesdropper.start(target, certificate);
    open.push(eavesdropper);
    return eavesdropper;
  };
  const connect = (tls: object, changes: object = {}): Promise<PostgresServer> =>
    place.connect({ tls, limits: { maxRetries: 0 }, ...changes });
  const ask = (server: PostgresServer) =>
    server.read(contextOf(), (session) =>
      session.query('SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()'),
    );
  const createUser = async (): Promise<SecretData & { readonly username: string }> => {
    const username = uniqueName('app');
    await place.createRole(username, PASSWORD);
    return { username, password: PASSWORD };
  };
  const logsIn = ({ username, password }: SecretData) =>
    place.logsIn(username as string, password as string);

  it.each([
    ['its address', {}],
    ['another name than it is reached by', { serverName: 'localhost' }],
  ])('is reached by a connection that expects %s in the certificate', async (_name, more) => {
    const server = await connect({ caFile: postgres.caFile, ...more });
    expect(await ask(server)).toEqual([['t', expect.stringMatching(/^TLSv1\.[23]$/)]]);
  });

  describe('an eavesdropper', () => {
    /** A connection on which the eavesdropper records every byte. */
    const overheard = async () => {
      const eavesdropper = await eavesdrop();
      const server = await connect({ caFile: postgres.caFile }, { port: eavesdropper.port });
      return { eavesdropper, server };
    };
    const expectHidden = (eavesdropper: PostgresEavesdropper, ...words: readonly unknown[]) => {
      expect(eavesdropper.openings.length).toBeGreaterThan(1);
      for (const opening of eavesdropper.openings) expect(opening).toEqual(TLS_REQUEST);
      for (const word of ['SELECT', 'SCRAM', place.admin, place.database, ...words]) {
        expect(eavesdropper.captured()).not.toContain(word);
      }
    };

    it.each(['single-user', 'alternating-users'])(
      'learns nothing from a whole rotation by %s',
      async (strategy) => {
        const { eavesdropper, server } = await overheard();
        const current = await createUser();
        const { username } = current;
        const usernames = [username, `${username}_b`];
        const options = strategy === 'single-user' ? { username } : { usernames };
        const target = postgresAt('db', server, { clock: systemClock }).rotation.target(
          strategy,
          options,
        );
        const turn = turnOf(current);
        const pending = await target.create(turn);
        await target.set(turn, pending);
        expect(await target.test(pending, contextOf())).toEqual({ accepted: true });
        expect(await logsIn(pending)).toBe(true);
        await target.retire(turnOf(pending), current);
        expect(await logsIn(pending)).toBe(true);
        expect(await logsIn(current)).toBe(false);
        expectHidden(eavesdropper, username, pending['password']);
      },
    );

    it('learns nothing from a dynamic role, from its creation to its revocation', async () => {
      const { eavesdropper, server } = await overheard();
      const creation = [
        'CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}}',
      ];
      const provider = postgresAt('db', server, { clock: systemClock }).provider.mount({
        roles: { app: { creation } },
      });
      const credentials = provider.credentials!;
      const handle = credentials.begin({
        intentId: uniqueName('cred').replace('-', '_'),
        locator: provider.locate('app'),
        workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
        ttlSeconds: 300,
        ref: undefined,
      });
      const prepared = await credentials.prepare(handle, contextOf());
      const { data, handle: issued } = await credentials.issue(prepared, contextOf());
      expect(await logsIn(data)).toBe(true);
      await credentials.revoke(issued, contextOf());
      expect(await logsIn(data)).toBe(false);
      expectHidden(eavesdropper, data['username'], data['password']);
    });
  });

  describe('a server with the wrong identity', () => {
    const expectSilence = async (
      eavesdropper: PostgresEavesdropper,
      tls: object,
    ): Promise<void> => {
      const server = await connect(tls, { port: eavesdropper.port });
      const login = { username: 'app', password: new Sensitive(PASSWORD) };
      const nothing = () => Promise.resolve();
      for (const call of [
        () => ask(server),
        () => server.change(contextOf(), nothing),
        () => server.logIn(login, contextOf(), nothing),
      ]) {
        const error = await failureOf(call());
        expect(error).toMatchObject(REFUSED);
        expect(wholeText(error)).not.toMatch(new RegExp(`${PASSWORD}|${place.adminPassword}`));
      }
      await eavesdropper.silence();
      expect(eavesdropper.openings).toEqual([TLS_REQUEST, TLS_REQUEST, TLS_REQUEST]);
    };

    it.each<[string, () => Certificate]>([
      ['of another authority', () => new CertificateAuthority().issue(EXPECTED)],
      ['of another address', () => authority.issue({ ...EXPECTED, ipAddresses: ['127.0.0.3'] })],
      ['of a name alone', () => authority.issue({ commonName: '127.0.0.1', dnsNames: ['db'] })],
      [
        'that has expired',
        () => authority.issue({ ...EXPECTED, notAfter: new Date(Date.now() - AN_HOUR_MS / 2) }),
      ],
      [
        'that is not valid yet',
        () => authority.issue({ ...EXPECTED, notBefore: new Date(Date.now() + AN_HOUR_MS) }),
      ],
    ])('gets no login from the broker when it shows a certificate %s', async (_whose, issue) => {
      const eavesdropper = await eavesdrop(issue());
      await expectSilence(eavesdropper, { caFile });
      expect(eavesdropper.captured()).toBe('');
    });

    it('gets no login from the broker when it shows a certificate without the expected name', async () => {
      const eavesdropper = await eavesdrop(authority.issue({ ...EXPECTED, dnsNames: ['db'] }));
      await expectSilence(eavesdropper, { caFile, serverName: 'db.elsewhere.example' });
      expect(eavesdropper.captured()).toBe('');
    });

    it('gets no login from the broker when it has no TLS and `off` is not set', async () => {
      const plain = await startPostgres({ settings: { ssl: 'off' } });
      try {
        const eavesdropper = await eavesdrop(undefined, plain.port);
        await expectSilence(eavesdropper, { caFile });
        expect(eavesdropper.captured()).toBe('');
      } finally {
        await plain.stop();
      }
    });

    it('gets its login only inside TLS, once its certificate is right', async () => {
      const eavesdropper = await eavesdrop(authority.issue(EXPECTED));
      await ask(await connect({ caFile }, { port: eavesdropper.port }));
      expect(eavesdropper.captured()).toContain(place.admin);
      expect(eavesdropper.captured()).toContain('SCRAM-SHA-256');
      expect(eavesdropper.captured()).not.toContain(place.adminPassword);
    });
  });

  it.each<[string, () => object]>([
    ['an authority that did not sign for it', () => ({ caFile })],
    ['another name', () => ({ caFile: postgres.caFile, serverName: 'elsewhere.example' })],
    ['the authorities of the world', () => ({})],
    ['an authority whose file is gone', () => ({ caFile: join(directory, 'gone') })],
  ])('gets no login of the broker when the connection expects %s', async (_what, tls) => {
    const current = await createUser();
    const { username } = current;
    const target = postgresAt('db', await connect(tls()), { clock: systemClock }).rotation.target(
      'single-user',
      {
        username,
      },
    );
    const turn = turnOf(current);
    const pending = await target.create(turn);
    expect(await failureOf(target.set(turn, pending))).toMatchObject(REFUSED);
    expect(await failureOf(target.test(pending, contextOf()))).toMatchObject(REFUSED);
    expect(await logsIn(current)).toBe(true);
    expect(await logsIn(pending)).toBe(false);
  });
});
