import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '../kit/time/eventually.ts';
import { CommandLine, type Ran } from '../kit/cli/command-line.ts';
import { Installation } from '../kit/broker/installation.ts';
import { OidcIssuer } from '../kit/identity/oidc-issuer.ts';
import { SoftwareKey, type KeyOrder } from '../kit/identity/software-key.ts';

const ORIGIN = 'https://broker.example';

let corp: OidcIssuer;
let installation: Installation;
let person: CommandLine;
let admin = '';

beforeAll(async () => {
  corp = await OidcIssuer.start({
    clients: [
      {
        client_id: 'cli',
        redirect_uris: ['http://127.0.0.1/callback'],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        response_types: ['code'],
      },
    ],
  });
  corp.user = { sub: 'alice' };
  installation = await Installation.make();
  const issuer = { issuerUrl: corp.url, clientId: 'cli', caFile: corp.caFile };
  await installation.configure({
    people: {
      publicUrl: ORIGIN,
      issuers: { corp: { ...issuer, secondFactor: 'webauthn' } },
    },
  });
  admin = await installation.initialise();
  await installation.start();
  await installation.create(admin, '/role-bindings/alice', {
    issuer: 'corp',
    subjects: ['alice'],
    grants: [{ role: 'responder', scope: [] }],
  });
  // An empty name of a browser: the person opens the printed address.
  person = await CommandLine.make({ BROWSER: '' });
});
afterAll(async () => {
  await person.remove();
  await installation.remove();
  await corp.close();
});

/** Runs a command while `browse` does at each printed address what the person does there. */
async function withBrowser(
  words: readonly string[],
  browse: (address: string, answer: (text: string) => void) => Promise<void>,
): Promise<Ran> {
  const child = person.begin(...words);
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const address = eventually('an address', () =>
    Promise.resolve(child.exitCode === null ? /^https:\S+$/m.exec(err)?.[0] : ''),
  );
  await browse(await address, (text) => void child.stdin.write(`${text}\n`));
  const code = await ended;
  person.traces += out + err;
  return { code, out, err };
}

const atIssuer = async (address: string): Promise<void> => {
  expect((await fetch(await corp.browse(address))).status).toBe(200);
};

interface Order extends KeyOrder {
  readonly purpose: 'register' | 'prove';
  readonly port?: number;
  readonly state?: string;
}

function orderOf(address: string): Order {
  const [page, order = ''] = address.split('#');
  expect(page).toBe(`${ORIGIN}/second-factor`);
  return JSON.parse(Buffer.from(order, 'base64url').toString()) as Order;
}

/** Answers as the page does, in the same form. */
const answerOf = (key: SoftwareKey, order: Order): string =>
  Buffer.from(JSON.stringify(key[order.purpose](order))).toString('base64url');

const atPage =
  (key: SoftwareKey) =>
  async (address: string): Promise<void> => {
    const order = orderOf(address);
    const query = new URLSearchParams({ state: order.state ?? '', answer: answerOf(key, order) });
    const back = `http://127.0.0.1:${order.port}/callback`;
    expect((await fetch(`${back}?state=planted&answer=x`)).status).toBe(400);
    expect((await fetch(`${back}?${query.toString()}`)).status).toBe(200);
  };

it('lets a person log in, register keys, and do dangerous operations, in the built program (O29)', async () => {
  const { url } = installation;
  const login = ['login', '--url', url, '--issuer', 'corp', '--step-up'];
  expect((await withBrowser(login, atIssuer)).code).toBe(0);
  const dangerous = ['quarantine', 'lift', 'qua_none', '--reason', 'checked'];
  const refused = await person.run(...dangerous);
  expect([refused.code, refused.err]).toEqual([3, expect.stringContaining('second-factor add')]);

  const laptop = new SoftwareKey(ORIGIN);
  const added = await withBrowser(['second-factor', 'add', 'laptop'], atPage(laptop));
  expect(added).toMatchObject({ code: 0, out: expect.stringContaining('("laptop")') });
  expect((await person.run(...dangerous)).err).toContain('no quarantine "qua_none"');

  await person.ok('logout');
  expect((await withBrowser(login.slice(0, -1), atIssuer)).code).toBe(0);
  expect((await person.run(...dangerous)).code).toBe(3);
  const stepUp = await withBrowser(['login', '--step-up'], atPage(laptop));
  expect(stepUp).toMatchObject({ code: 0, out: 'dangerous operations are allowed now\n' });
  expect((await person.run(...dangerous)).code).toBe(4);

  const yubikey = new SoftwareKey(ORIGIN);
  const pasted = await withBrowser(
    ['second-factor', 'add', 'yubikey', '--device'],
    async (address, paste) => {
      paste(answerOf(yubikey, orderOf(address)));
      return Promise.resolve();
    },
  );
  expect(pasted.code).toBe(0);
  const { items } = (await person.json('second-factor', 'ls')) as {
    readonly items: readonly { readonly id: string; readonly label: string }[];
  };
  expect(items.map(({ label }) => label)).toEqual(['laptop', 'yubikey']);
  await person.ok('second-factor', 'rm', items[1]!.id);
  expect(await person.ok('second-factor', 'ls')).not.toContain('yubikey');
  const wrong = await withBrowser(['login', '--step-up'], atPage(yubikey));
  expect([wrong.code, wrong.err]).toEqual([3, expect.stringContaining('is not valid')]);
});

it('shows no token in any address, output or argument (O29)', () => {
  expect(person.traces).toContain(`${ORIGIN}/second-factor#`);
  expect(person.traces).not.toMatch(/qmo_/);
  expect(installation.output).not.toMatch(/qmo_/);
});

it('serves the page and its script', async () => {
  expect((await fetch(`${installation.url}/second-factor`)).status).toBe(200);
  const script = await fetch(`${installation.url}/second-factor.js`);
  expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
});
