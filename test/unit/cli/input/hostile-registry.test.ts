import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, it } from '@jest/globals';
import { until } from '../../../kit/backends/until.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import {
  BUNDLE,
  DIGEST,
  fetched,
  ScriptedRegistry,
} from '../../../kit/images/scripted-registry.ts';

const PLACE = `referrers/${DIGEST}`;
const SIGNATURES = `manifests/${DIGEST.replace(':', '-')}.sig`;
const LOGIN = 'ci:registry-password';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const deep = (count: number): string => `{"a":${'['.repeat(count)}${']'.repeat(count)}}`;

/** A referrer whose only layer is this blob. */
function bundleOf(registry: ScriptedRegistry, blob: string): void {
  const layers = [{ digest: registry.stores('blobs', Buffer.from(blob)), mediaType: BUNDLE }];
  registry.lists(registry.stores('manifests', { subject: { digest: DIGEST }, layers }));
}

it.each<readonly [string, string, Answer]>([
  [
    'redirects endlessly',
    'answers with status 302',
    (request, response) => response.writeHead(302, { location: request.url }).end(),
  ],
  [
    'wants another token for each request',
    'answers with status 401',
    ({ headers, url = '' }, response) => {
      if (url.startsWith('/token')) response.end(JSON.stringify({ token: 'a-token' }));
      else {
        const realm = `http://${headers.host ?? ''}/token`;
        response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
      }
    },
  ],
  [
    'sends a token of more than 64 KiB',
    'gives no token',
    ({ headers, url = '' }, response) => {
      const realm = `http://${headers.host ?? ''}/token`;
      if (url.startsWith('/token')) response.end(JSON.stringify({ token: 'a'.repeat(65_536) }));
      else response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
    },
  ],
  [
    'sends a compressed body',
    'content_encoding',
    (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
  ],
  [
    'ends a body before its length',
    'cannot be read',
    (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{', () => response.destroy());
    },
  ],
  [
    'sends headers of 64 KiB',
    'Header overflow',
    (_request, response) => response.writeHead(200, { 'x-filler': 'x'.repeat(65_536) }).end(),
  ],
  [
    'switches to another protocol',
    'protocol_switch',
    ({ socket }) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
  ],
  ['sends an index of one null', 'that is not valid', (_request, response) => response.end('null')],
  [
    'sends an index that is nested a hundred thousand times',
    'that is not valid',
    (_request, response) => response.end(deep(100_000)),
  ],
  [
    'sends an index that is not UTF-8',
    'that is not valid',
    (_request, response) => response.end(Buffer.from([0x7b, 0xff, 0x7d])),
  ],
])(
  'a registry that %s is refused with a reason, after few requests (IS09)',
  async (_does, why, answer) => {
    const registry = await ScriptedRegistry.start();
    registry.guard = (request, response) => {
      answer(request, response);
      return true;
    };
    const refused = fetched(registry, { login: LOGIN });
    await expect(refused).rejects.toMatchObject({
      name: 'Failed',
      message: expect.stringMatching(
        new RegExp(`^(?!.*registry-password)the registry ${registry.host} .*${why}`),
      ) as unknown,
    });
    expect(registry.requests.length).toBeLessThanOrEqual(3);
  },
);

it('follows one redirect only, also between hosts that the caller named', async () => {
  const registry = await ScriptedRegistry.start();
  const other = await ScriptedRegistry.start();
  for (const [from, to] of [
    [registry, other],
    [other, registry],
  ] as const) {
    from.guard = (_request, response) => {
      response.writeHead(307, { location: `http://${to.host}/next` }).end();
      return true;
    };
  }
  const refused = fetched(registry, { hosts: [other.host] });
  await expect(refused).rejects.toThrow('answers with status 307');
  expect([registry.requests.length, other.requests.length]).toEqual([1, 1]);
});

it.each<readonly [string, (registry: ScriptedRegistry) => void]>([
  [
    'a manifest',
    (registry) => {
      const { manifest } = registry.refers();
      registry.lists(manifest);
      registry.has(`manifests/${manifest}`, { subject: { digest: DIGEST }, layers: [] });
    },
  ],
  [
    'the payload of a signature',
    (registry) => {
      const digest = registry.stores('blobs', Buffer.from('signed'));
      registry.has(`blobs/${digest}`, 'other');
      const annotations = { 'dev.cosignproject.cosign/signature': 'c2ln' };
      registry.has(SIGNATURES, { layers: [{ digest, mediaType: 'x', annotations }] });
    },
  ],
])('a registry that sends other bytes for the digest of %s is refused', async (_what, script) => {
  const registry = await ScriptedRegistry.start();
  script(registry);
  await expect(fetched(registry)).rejects.toThrow(/does not have sha256:\w+, or sends other bytes/);
});

it.each([
  ['is not JSON', 'x'],
  ['is a list', '[]'],
  ['is nested too deep to be sent to the broker', deep(400_000)],
])('a registry whose bundle %s is refused', async (_what, blob) => {
  const registry = await ScriptedRegistry.start();
  bundleOf(registry, blob);
  await expect(fetched(registry)).rejects.toThrow(
    /sends the bundle sha256:\w+, which is not a JSON object/,
  );
});

it('a registry whose log entry of a signature is not JSON is refused', async () => {
  const registry = await ScriptedRegistry.start();
  const annotations = {
    'dev.cosignproject.cosign/signature': 'c2ln',
    'dev.sigstore.cosign/certificate': 'x',
    'dev.sigstore.cosign/bundle': '{',
  };
  const digest = registry.stores('blobs', Buffer.from('signed'));
  registry.has(SIGNATURES, { layers: [{ digest, mediaType: 'x', annotations }] });
  await expect(fetched(registry)).rejects.toThrow(
    'sends the annotation dev.sigstore.cosign/bundle, which is not a JSON object',
  );
});

it('a registry with 51 signatures in a manifest is refused before it is asked for one', async () => {
  const registry = await ScriptedRegistry.start();
  const annotations = { 'dev.cosignproject.cosign/signature': 'c2ln' };
  const layer = { digest: registry.stores('blobs', Buffer.from('p')), mediaType: 'x', annotations };
  registry.has(SIGNATURES, { layers: Array<object>(51).fill(layer) });
  await expect(fetched(registry)).rejects.toThrow('that is not valid');
  expect(registry.requests.filter(({ url }) => url.includes('/blobs/'))).toEqual([]);
});

it.each<readonly [string, (response: ServerResponse) => void]>([
  ['bodies', (response) => response.write(' ')],
  ['interim responses', (response) => response.writeProcessing()],
])('a registry that sends endless %s is left after 30 seconds', async (_what, drip) => {
  const registry = await ScriptedRegistry.start();
  const clock = new HandClock(Date.now());
  let drips = 0;
  let isClosed = false;
  registry.has(PLACE, (_request, response) => {
    const timer = setInterval(() => {
      drips += 1;
      drip(response);
    }, 2);
    response.on('close', () => {
      clearInterval(timer);
      isClosed = true;
    });
  });
  const refused = expect(fetched(registry, {}, clock)).rejects.toThrow('cannot be read');
  // The client ends a connection with many interim responses at once.
  await until('it sends', () => Promise.resolve(drips > 20 || isClosed));
  clock.advance(30_000);
  await refused;
  await until('the connection is closed', () => Promise.resolve(isClosed));
});

it('a registry that redirects to a slow host is left after 30 seconds too', async () => {
  const registry = await ScriptedRegistry.start();
  const other = await ScriptedRegistry.start();
  const clock = new HandClock(Date.now());
  registry.guard = (_request, response) => {
    response.writeHead(307, { location: `http://${other.host}/next` }).end();
    return true;
  };
  other.guard = () => true;
  const access = { hosts: [other.host] };
  const refused = expect(fetched(registry, access, clock)).rejects.toThrow(
    `the registry ${other.host} cannot be read`,
  );
  await until('the other host is asked', () => Promise.resolve(other.requests.length === 1));
  clock.advance(30_000);
  await refused;
});
