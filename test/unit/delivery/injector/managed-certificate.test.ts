import { X509Certificate } from 'node:crypto';
import { clusterLog } from '../../../../src/ports/log.ts';
import { describe, expect, it } from '@jest/globals';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { ManagedCertificate } from '../../../../src/delivery/injector/managed-certificate.ts';
import { WebhookConfiguration } from '../../../../src/delivery/injector/webhook-configuration.ts';
import type { KubernetesApi, KubernetesRequest } from '../../../../src/ports/kubernetes-api.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const DAY = 86_400_000;
const LOOK = 10_000;
const DEADLINE_OF_A_CALL = 5_000;
const TWO_THIRDS = (7 * DAY * 2) / 3;

interface Patch {
  readonly metadata: { readonly resourceVersion: string };
  readonly webhooks: readonly { readonly clientConfig: { readonly caBundle: string } }[];
}

/** One webhook configuration in memory, that can be unavailable. */
class OneConfiguration implements KubernetesApi {
  readonly server = 'https://kube.test';
  bundle: string | undefined;
  version = 1;
  writes = 0;
  isAway = false;
  calls = 0;

  call(request: KubernetesRequest): Promise<unknown> {
    this.calls += 1;
    if (this.isAway) return Promise.reject(new BrokerError('ERR_PROVIDER_UNAVAILABLE'));
    if (request.method === 'PATCH') {
      const { metadata, webhooks } = request.body as Patch;
      if (metadata.resourceVersion !== String(this.version)) {
        return Promise.reject(new BrokerError('ERR_CONFLICT'));
      }
      this.bundle = webhooks[0]!.clientConfig.caBundle;
      this.version += 1;
      this.writes += 1;
    }
    const clientConfig = this.bundle === undefined ? {} : { caBundle: this.bundle };
    return Promise.resolve({
      metadata: { resourceVersion: String(this.version) },
      webhooks: [{ name: 'inject.test', clientConfig }],
    });
  }

  stream(): Promise<AsyncIterable<unknown>> {
    return Promise.reject(new Error('not watched'));
  }

  close(): void {
    this.isAway = true;
  }

  trusts(cert: string): boolean {
    return Buffer.from(this.bundle ?? '', 'base64')
      .toString()
      .includes(cert);
  }
}

/** Notifies when the next timer is set, which is when a check is over. */
class LookClock extends HandClock {
  #set = Promise.withResolvers<undefined>();

  override after(ms: number, work: () => void): () => void {
    if (ms !== DEADLINE_OF_A_CALL) this.#set.resolve(undefined);
    return super.after(ms, work);
  }

  /** Advances the clock, and waits for the check that became due. */
  async look(ms: number): Promise<void> {
    this.#set = Promise.withResolvers<undefined>();
    this.advance(ms);
    await this.#set.promise;
  }
}

async function kept(): Promise<{
  readonly api: OneConfiguration;
  readonly certificate: ManagedCertificate;
  readonly clock: LookClock;
  /** Advances the clock check by check. */
  readonly pass: (ms: number) => Promise<void>;
  readonly presented: string[];
  /** The presented certificates that the API server did not trust at that moment. */
  readonly untrusted: string[];
  readonly errors: unknown[];
}> {
  const api = new OneConfiguration();
  const clock = new LookClock();
  const presented: string[] = [];
  const untrusted: string[] = [];
  const errors: unknown[] = [];
  const log = clusterLog(
    {
      info: () => undefined,
      warn: () => undefined,
      error: (fields) => void errors.push(fields),
    },
    { cluster: 'prod' },
  );
  const certificate = await ManagedCertificate.make({
    configurations: [
      new WebhookConfiguration(api, { kind: 'mutating', name: 'quaymaster-injector' }, clock),
    ],
    dnsNames: ['injector.test'],
    owner: 'pod-0:8443',
    clock,
    log,
    present: ({ cert }) => {
      presented.push(cert);
      untrusted.push(...(api.trusts(cert) ? [] : [cert]));
    },
  });
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= LOOK) await clock.look(LOOK);
  };
  return { api, certificate, clock, pass, presented, untrusted, errors };
}

describe('a certificate that the injector creates for its webhook', () => {
  it('is trusted by the API server after the first check, and written once', async () => {
    const { api, certificate, pass } = await kept();
    await certificate.start();
    expect(api.trusts(certificate.current.cert)).toBe(true);
    await pass(60_000);
    expect(api.writes).toBe(1);
  });

  it('cannot sign other certificates, and is valid for a week', async () => {
    const { certificate } = await kept();
    const facts = new X509Certificate(certificate.current.cert);
    expect(facts.ca).toBe(false);
    expect(facts.subjectAltName).toBe('DNS:injector.test');
    expect(facts.validToDate.getTime() - Date.UTC(2026, 0, 1)).toBe(7 * DAY);
  });

  it('is entered again within seconds after it was removed', async () => {
    const { api, certificate, pass } = await kept();
    await certificate.start();
    api.bundle = undefined;
    await pass(LOOK);
    expect(api.trusts(certificate.current.cert)).toBe(true);
  });

  it('is renewed at two thirds: trusted first, presented a minute later, and trusted at every moment', async () => {
    const { api, certificate, clock, pass, presented, untrusted } = await kept();
    await certificate.start();
    const first = certificate.current.cert;
    await clock.look(TWO_THIRDS - 2 * LOOK);
    expect(api.writes).toBe(1);
    const bundles: boolean[] = [];
    for (let looks = 0; looks < 12; looks += 1) {
      await pass(LOOK);
      bundles.push(api.trusts(certificate.current.cert));
    }
    expect(bundles).not.toContain(false);
    expect(untrusted).toEqual([]);
    expect(presented).toHaveLength(1);
    expect(certificate.current.cert).toBe(presented[0]);
    expect(api.trusts(first)).toBe(false);
  });

  it('is not replaced while the next one cannot be entered; that is logged once', async () => {
    const { api, certificate, clock, pass, presented, errors } = await kept();
    await certificate.start();
    await clock.look(TWO_THIRDS - 2 * LOOK);
    api.isAway = true;
    await pass(600_000);
    expect(presented).toEqual([]);
    expect(errors).toHaveLength(1);
    api.isAway = false;
    await pass(90_000);
    expect(presented).toHaveLength(1);
    expect(api.trusts(certificate.current.cert)).toBe(true);
  });

  it('is retried soon, and then less often, while the API server is unavailable', async () => {
    const { api, certificate, clock, errors } = await kept();
    api.isAway = true;
    await certificate.start();
    for (const ms of [500, 1_000, 2_000, 4_000, 8_000, LOOK, LOOK]) {
      const before = api.calls;
      clock.advance(ms - 1);
      expect(api.calls).toBe(before);
      await clock.look(1);
      expect(api.calls).toBe(before + 1);
    }
    expect(errors).toHaveLength(1);
    expect(certificate.isEntered).toBe(false);
    api.isAway = false;
    await clock.look(LOOK);
    expect(certificate.isEntered).toBe(true);
    expect(api.trusts(certificate.current.cert)).toBe(true);
  });

  it('is waited for until it was entered, and for five seconds more, in which API servers learn of it', async () => {
    const { api, certificate, clock, pass } = await kept();
    expect(certificate.isAwaited).toBe(true);
    api.isAway = true;
    await certificate.start();
    await pass(600_000);
    expect(certificate.isAwaited).toBe(true);
    api.isAway = false;
    await clock.look(LOOK);
    expect(api.trusts(certificate.current.cert)).toBe(true);
    clock.advance(4_999);
    expect(certificate.isAwaited).toBe(true);
    clock.advance(1);
    expect(certificate.isAwaited).toBe(false);
  });

  it('is not waited for again once it was entered', async () => {
    const { api, certificate, clock } = await kept();
    await certificate.start();
    api.isAway = true;
    await clock.look(LOOK);
    expect([certificate.isEntered, certificate.isAwaited]).toEqual([false, false]);
  });

  it('is no longer checked once it is closed', async () => {
    const { api, certificate, clock } = await kept();
    await certificate.start();
    await certificate.close();
    api.bundle = undefined;
    clock.advance(60_000);
    expect(api.bundle).toBeUndefined();
  });
});
