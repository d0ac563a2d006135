import { describe, expect, it } from '@jest/globals';
import { createContext, runInContext } from 'node:vm';
import { KEY_PAGE, KEY_SCRIPT } from '../../../../src/api/answer/second-factor-page.ts';
import { SoftwareKey } from '../../../kit/identity/software-key.ts';

const ORIGIN = 'https://broker.example';
const ORDER = {
  purpose: 'prove',
  challenge: 'Y2hhbGxlbmdl',
  rpId: 'broker.example',
  person: 'oidc:corp/alice',
  userId: 'dXNlcg',
  algorithms: [-7],
  credentials: ['Y3JlZA'],
};

class Element {
  textContent = '';
  value = '';
  hidden = true;
  disabled = false;
  click: () => void = () => undefined;
  addEventListener(_type: string, listener: () => void): void {
    this.click = listener;
  }
  select(): void {
    // Nothing to select.
  }
}

interface Opened {
  readonly elements: Readonly<Record<string, Element>>;
  readonly went: readonly string[];
  /** Options that the browser got. */
  readonly asked: readonly Readonly<Record<string, unknown>>[];
  readonly use: () => Promise<void>;
}

/** Opens the page in a context that has only what the script needs of a browser. */
function open(fragment: string, key = new SoftwareKey(ORIGIN), failure?: string): Opened {
  const ids = [...KEY_PAGE.matchAll(/id="(\w+)"/g)].map(([, id = '']) => id);
  const elements = Object.fromEntries(ids.map((id) => [id, new Element()]));
  const [went, asked]: [string[], Readonly<Record<string, unknown>>[]] = [[], []];
  const answer = (verb: 'register' | 'prove') => (given: { publicKey: typeof ORDER }) => {
    asked.push(given.publicKey);
    if (failure !== undefined) return Promise.reject(Object.assign(new Error(), { name: failure }));
    const { id, ...response } = key[verb](given.publicKey);
    return Promise.resolve({ toJSON: () => ({ id, rawId: id, type: 'public-key', response }) });
  };
  const location = {
    hash: fragment,
    pathname: '/second-factor',
    replace: (to: string) => void went.push(to),
  };
  const parse = (options: object): object => ({ ...ORDER, ...options });
  runInContext(
    KEY_SCRIPT,
    createContext({
      atob,
      btoa,
      URLSearchParams,
      location,
      document: { getElementById: (id: string) => elements[id] },
      history: { replaceState: () => void (location.hash = '') },
      PublicKeyCredential: {
        parseCreationOptionsFromJSON: parse,
        parseRequestOptionsFromJSON: parse,
      },
      navigator: { credentials: { create: answer('register'), get: answer('prove') } },
    }),
  );
  const use = async (): Promise<void> => {
    elements['use']!.click();
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { elements, went, asked, use };
}

const fragmentOf = (more: object): string =>
  `#${Buffer.from(JSON.stringify({ ...ORDER, ...more })).toString('base64url')}`;
const decoded = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString());

describe('the page for security keys', () => {
  it('sends a proof to the port of the terminal, and only after a click', async () => {
    const { elements, went, asked, use } = open(fragmentOf({ port: 4711, state: 'st&te' }));
    expect([elements['person']?.textContent, elements['use']?.textContent]).toEqual([
      'For oidc:corp/alice',
      'Use your key',
    ]);
    expect([asked, went]).toEqual([[], []]);
    await use();
    expect(asked).toMatchObject([{ challenge: ORDER.challenge, userVerification: 'required' }]);
    const [url] = went.map((each) => new URL(each));
    expect(url?.origin).toBe('http://127.0.0.1:4711');
    expect(url?.searchParams.get('state')).toBe('st&te');
    expect(Object.keys(decoded(url?.searchParams.get('answer') ?? '') as object)).toEqual([
      'id',
      'clientDataJSON',
      'authenticatorData',
      'signature',
    ]);
  });

  it('shows the answer of a new key if the terminal is on another device', async () => {
    const { elements, went, asked, use } = open(fragmentOf({ purpose: 'register' }));
    await use();
    expect(went).toEqual([]);
    expect(asked).toMatchObject([
      {
        attestation: 'none',
        user: { id: ORDER.userId, name: ORDER.person },
        excludeCredentials: [{ type: 'public-key', id: 'Y3JlZA' }],
      },
    ]);
    expect(elements['answer']?.hidden).toBe(false);
    expect(Object.keys(decoded(elements['answer']?.value ?? '') as object)).toEqual([
      'id',
      'clientDataJSON',
      'attestationObject',
    ]);
  });

  it.each(['@evil.test:80', '80@evil.test', 0, 65_536, 1.5, null])(
    'sends nothing to another machine: port %j (O29)',
    async (port) => {
      const { elements, went, use } = open(fragmentOf({ port, state: 's' }));
      await use();
      expect(went).toEqual([]);
      expect(elements['answer']?.hidden).toBe(false);
    },
  );

  it('works again after the person cancelled', async () => {
    const { elements, use } = open(fragmentOf({ port: 1 }), undefined, 'NotAllowedError');
    await use();
    expect(elements['use']?.disabled).toBe(false);
    expect(elements['state']?.textContent).toContain('NotAllowedError');
  });

  it.each(['', '#', '#!!', `#${btoa('[1')}`])('names the commands without an order: %j', (hash) => {
    const { elements } = open(hash);
    expect(elements['state']?.textContent).toContain('quaymaster login --step-up');
    expect(elements['use']?.hidden).toBe(true);
  });
});
