import { describe, expect, it } from '@jest/globals';
import { parseAttestation } from '../../../../src/features/attestations/parse-attestation.ts';
import { until } from '../../../kit/backends/until.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import {
  BUNDLE,
  DIGEST,
  fetched,
  ScriptedRegistry,
  signer,
} from '../../../kit/images/scripted-registry.ts';
import { SigstoreInstance } from '../../../kit/images/sigstore-instance.ts';

const LOGIN = 'ci:registry-password';
const BASIC = `Basic ${Buffer.from(LOGIN).toString('base64')}`;

/** Numbers have their digits until they are sent. */
function asSent(contents: readonly object[]): readonly object[] {
  return JSON.parse(JSON.stringify(contents)) as readonly object[];
}

describe('a registry', () => {
  it('gives bundles and signatures in the older form, with and without a key', async () => {
    const registry = await ScriptedRegistry.start();
    registry.lists(registry.refers().manifest);
    const instance = await SigstoreInstance.start();
    const identity = { issuer: 'https://issuer.test', subject: 'https://ci.test/release' };
    const keyless = await instance.signLegacy(DIGEST, identity);
    const byKey = signer.legacy(DIGEST) as { readonly payload: string; readonly signature: string };
    const layer = ({ payload, signature }: typeof byKey, more = {}): object => ({
      digest: registry.stores('blobs', Buffer.from(payload, 'base64')),
      mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
      annotations: { 'dev.cosignproject.cosign/signature': signature, ...more },
    });
    registry.has(`manifests/${DIGEST.replace(':', '-')}.sig`, {
      layers: [
        layer(byKey),
        layer(keyless, {
          'dev.sigstore.cosign/certificate': keyless.certificate,
          'dev.sigstore.cosign/bundle': JSON.stringify(keyless.rekorBundle),
        }),
      ],
    });
    const contents = asSent(await fetched(registry));
    expect(contents).toEqual([expect.objectContaining({ mediaType: BUNDLE }), byKey, keyless]);
    expect(contents.map((each) => parseAttestation(each).subjects)).toEqual(
      Array(3).fill([DIGEST]),
    );
  });

  it('gets the login if it asks for it, and no request before that has it', async () => {
    const registry = await ScriptedRegistry.start();
    registry.lists(registry.refers().manifest);
    registry.guard = ({ headers }, response) => {
      if (headers.authorization === BASIC) return false;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end();
      return true;
    };
    await expect(fetched(registry)).rejects.toThrow('give --registry-login');
    expect(await fetched(registry, { login: LOGIN })).toHaveLength(1);
    const known = registry.requests.map(({ authorization }) => authorization);
    expect(known.slice(0, 3)).toEqual([undefined, undefined, BASIC]);
  });

  it('gets the login at its own token address only if it hands out tokens, for reading this repository', async () => {
    const registry = await ScriptedRegistry.start();
    registry.lists(registry.refers().manifest);
    registry.guard = ({ url = '', headers }, response) => {
      if (url.startsWith('/token')) {
        response.end(JSON.stringify({ access_token: 'a-token' }));
        return true;
      }
      if (headers.authorization === 'Bearer a-token') return false;
      const challenge = `Bearer realm="http://${registry.host}/token",service="reg",scope="repository:*:*"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return true;
    };
    expect(await fetched(registry, { login: LOGIN })).toHaveLength(1);
    const asked = registry.requests.filter(({ url }) => url.startsWith('/token'));
    expect(asked).toEqual([
      {
        url: '/token?service=reg&scope=repository%3Aprod%2Fweb%3Apull',
        authorization: BASIC,
      },
    ]);
    const withLogin = registry.requests.filter(({ authorization }) => authorization === BASIC);
    expect(withLogin).toEqual(asked);
  });

  it('gets a token of another server only if the caller named that server (IS09)', async () => {
    const registry = await ScriptedRegistry.start();
    const other = await ScriptedRegistry.start();
    registry.lists(registry.refers().manifest);
    other.guard = (_request, response) => {
      response.end(JSON.stringify({ token: 'a-token' }));
      return true;
    };
    registry.guard = ({ headers }, response) => {
      if (headers.authorization === 'Bearer a-token') return false;
      const challenge = `Bearer realm="http://${other.host}/token"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return true;
    };
    await expect(fetched(registry, { login: LOGIN })).rejects.toThrow(
      `wants a token of ${other.host}: give --registry-host ${other.host}`,
    );
    expect(other.requests).toEqual([]);
    expect(await fetched(registry, { login: LOGIN, hosts: [other.host] })).toHaveLength(1);
  });

  it.each([
    ['no token', {}],
    ['a token that would add a header', { token: 'a\r\nx: y' }],
    ['a token of the wrong type', { token: 7 }],
  ])('is refused if its token server sends %s', async (_name, token) => {
    const registry = await ScriptedRegistry.start();
    registry.guard = ({ url = '' }, response) => {
      const challenge = `Bearer realm="http://${registry.host}/token"`;
      if (url.startsWith('/token')) response.end(JSON.stringify(token));
      else response.writeHead(401, { 'www-authenticate': challenge }).end();
      return true;
    };
    await expect(fetched(registry)).rejects.toThrow('a token that is not valid');
  });

  it('is followed to a host that the caller named, without credentials, and to no other (IS09)', async () => {
    const registry = await ScriptedRegistry.start();
    const other = await ScriptedRegistry.start();
    const bundle = signer.bundle(DIGEST);
    registry.lists(registry.refers(bundle).manifest);
    other.has('/store/blob', bundle);
    registry.guard = ({ url = '', headers }, response) => {
      if (headers.authorization !== BASIC) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end();
        return true;
      }
      if (!url.includes('/blobs/')) return false;
      response.writeHead(307, { location: `http://${other.host}/store/blob` }).end();
      return true;
    };
    await expect(fetched(registry, { login: LOGIN })).rejects.toThrow(
      `redirects to ${other.host}: give --registry-host`,
    );
    expect(other.requests).toEqual([]);
    const access = { login: LOGIN, hosts: [other.host] };
    expect(asSent(await fetched(registry, access))).toEqual([bundle]);
    expect(other.requests).toEqual([{ url: '/store/blob', authorization: undefined }]);
  });

  it.each([
    ['an address inside the network', 'http://169.254.169.254/latest'],
    ['another scheme', 'file:///etc/passwd'],
    ['a user in the address', 'https://user@registry.example/'],
    ['no address', 'http://['],
  ])('is not followed to %s', async (_name, location) => {
    const registry = await ScriptedRegistry.start();
    registry.has(`referrers/${DIGEST}`, (_request, response) =>
      response.writeHead(302, { location }).end(),
    );
    await expect(fetched(registry)).rejects.toThrow(/redirects to/);
  });

  it('is refused with other bytes than those of the digest', async () => {
    const registry = await ScriptedRegistry.start();
    const { manifest, blob } = registry.refers();
    registry.lists(manifest);
    registry.has(`blobs/${blob}`, signer.bundle(DIGEST));
    await expect(fetched(registry)).rejects.toThrow(`does not have ${blob}, or sends other bytes`);
  });

  it('is refused with a body of more than 1 MiB, whether announced or not', async () => {
    const registry = await ScriptedRegistry.start();
    for (const head of [{ 'content-length': '1048577' }, {}] as const) {
      registry.has(`referrers/${DIGEST}`, (_request, response) => {
        response.writeHead(200, head);
        response.write(Buffer.alloc(1_048_577));
      });
      await expect(fetched(registry)).rejects.toThrow('body_too_large');
    }
  });

  it('is refused with more attestations of the image than the broker takes', async () => {
    const registry = await ScriptedRegistry.start();
    registry.lists(...Array<string>(51).fill(registry.refers().manifest));
    await expect(fetched(registry)).rejects.toThrow('has 51 attestations of the image');
    expect(registry.requests).toHaveLength(1);
  });

  it('is refused with an index of 1,001 manifests', async () => {
    const registry = await ScriptedRegistry.start();
    registry.lists(...Array<string>(1_001).fill(DIGEST));
    await expect(fetched(registry)).rejects.toThrow('that is not valid');
  });

  it('cannot pass a bundle of another image', async () => {
    const registry = await ScriptedRegistry.start();
    const layers = [{ digest: registry.stores('blobs', signer.bundle(DIGEST)), mediaType: BUNDLE }];
    const subject = { digest: `sha256:${'b'.repeat(64)}` };
    registry.lists(registry.stores('manifests', { subject, layers }));
    expect(await fetched(registry)).toEqual([]);
  });

  it('ends one request after 30 seconds if it sends nothing', async () => {
    const registry = await ScriptedRegistry.start();
    const clock = new HandClock(Date.now());
    registry.has(`referrers/${DIGEST}`, () => undefined);
    const pending = fetched(registry, {}, clock);
    const refused = expect(pending).rejects.toThrow('cannot be read');
    await until('the request arrived', () => Promise.resolve(registry.requests.length === 1));
    clock.advance(30_000);
    await refused;
  });

  it('is left after five minutes if it answers each request late', async () => {
    const registry = await ScriptedRegistry.start();
    const clock = new HandClock(Date.now());
    const manifests = Array.from({ length: 50 }, () => registry.refers().manifest);
    registry.lists(...manifests);
    registry.guard = () => {
      clock.advance(29_000);
      return false;
    };
    await expect(fetched(registry, {}, clock)).rejects.toThrow('cannot be read');
    expect(registry.requests.length).toBeLessThan(15);
  });
});
