import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { grant } from '../kit/backends/kube-apply.ts';
import type { KubeObject } from '../kit/backends/kube-calls.ts';
import {
  createNamespace,
  createPod,
  createServiceAccount,
  setPodStatus,
} from '../kit/backends/kube-objects.ts';
import { boundToken } from '../kit/backends/kube-tokens.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { until } from '../kit/backends/until.ts';
import { Installation, type Answer } from '../kit/broker/installation.ts';
import { CommandLine } from '../kit/cli/command-line.ts';
import { ScriptedFalcosidekick } from '../kit/fakes/scripted-falcosidekick.ts';
import { ScannedImages } from '../kit/images/scanned-images.ts';
import { SignedImages } from '../kit/images/signed-images.ts';

const FALCO = 'a-secret-of-falcosidekick';
const AUDIENCE = 'quaymaster';
const POLICY = {
  apiVersion: 'quaymaster.dev/v1',
  kind: 'AccessPolicy',
  metadata: { name: 'pods' },
  spec: {
    subjects: [{ clusters: ['prod'], namespaces: ['*'], serviceAccounts: ['web'] }],
    rules: [{ name: 'read', effect: 'allow', capabilities: ['read'], paths: ['own/**'] }],
  },
};

describeWith(
  ['kube', 'cosign', 'trivy', 'grype'],
  'the drill with a real API server, scanners and signatures',
  ({ kube, ...programs }) => {
    const namespace = uniqueName('shop');
    let images: ScannedImages;
    let signed: SignedImages;
    let broker: Installation;
    let operator: string;
    let person: CommandLine;

    beforeAll(async () => {
      images = await ScannedImages.make(programs, [
        { id: 'CVE-2026-1', ecosystem: 'debian', package: 'none', severity: 'critical' },
      ]);
      signed = await SignedImages.make(programs.cosign);
      await createNamespace(kube, namespace);
      for (const name of ['web', 'broker']) await createServiceAccount(kube, namespace, name);
      await grant(kube, { namespace, name: 'broker' }, [
        { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
      ]);
      const own = { namespace, serviceAccount: 'broker', audience: kube.issuer };
      broker = await Installation.make();
      await broker.configure({
        connections: {
          kube: {
            type: 'kubernetes',
            server: kube.server,
            caFile: await broker.write('kube-ca.pem', kube.caPem),
            tokenFile: await broker.write('kube.token', await boundToken(kube, own)),
            locators: ['**'],
          },
        },
        alerts: {
          sources: {
            falco: {
              format: 'falcosidekick',
              cluster: 'prod',
              authenticate: { bearer: { secretFile: await broker.write('falco', FALCO) } },
            },
          },
        },
      });
      operator = await broker.initialise();
      await broker.start();
      const { issuer } = kube;
      const cluster = { connection: 'kube', issuer, audiences: [AUDIENCE], mode: 'jwks' };
      await broker.create(operator, '/clusters/prod', cluster);
      await broker.create(operator, '/mounts/own', { prefix: 'own', connection: 'embedded' });
      await broker.create(operator, '/policies/pods', POLICY);
      const rotation = { strategy: 'generated', options: { keys: { password: {} } } };
      await broker.create(operator, '/definitions/own/db', { rotation });
      await broker.create(operator, '/response-rules/shell', {
        order: 1,
        match: { rules: ['Terminal shell in container'] },
        action: 'quarantine',
        scope: 'pod',
        rotate: 'read',
      });
      for (const path of ['own/db', 'own/static'])
        await broker.call('PUT', `/api/v1/secrets/${path}`, {
          token: operator,
          body: { data: { password: 'first' } },
          headers: { 'if-none-match': '*' },
        });
      person = await CommandLine.make();
      const file = await person.write('token', operator);
      await person.ok('login', '--url', broker.url, '--token-file', file);
    });
    afterAll(async () => {
      await (person as CommandLine | undefined)?.remove();
      await broker.remove();
      await signed.remove();
      await images.remove();
    });

    /** A running pod, as a kubelet reports it. */
    async function run(image: string, name: string): Promise<KubeObject> {
      const wish = { namespace, serviceAccount: 'web', name, image };
      const pod = await createPod(kube, wish);
      const own = { name: 'main', image, imageID: image, ready: true, restartCount: 0 };
      await setPodStatus(kube, pod, { phase: 'Running', containerStatuses: [own] });
      return pod;
    }

    async function logIn(pod: KubeObject): Promise<string> {
      const wish = { namespace, serviceAccount: 'web', audience: AUDIENCE, pod };
      const body = { cluster: 'prod', token: await boundToken(kube, wish) };
      let token = '';
      await until('a session', async () => {
        const answer = await broker.call('POST', '/api/v1/sessions', { body });
        token = String(answer.json['token']);
        return answer.status === 201;
      });
      return token;
    }

    const read = (token: string, path: string): Promise<Answer> =>
      broker.call('GET', `/api/v1/secrets/${path}`, { token });

    it('gates the image, cuts the pod off at the alert of Falco, rotates what it read, and shows the rest', async () => {
      const digest = await images.push('web', { zlib1g: '1.2.14' });
      const image = `${images.repository}@${digest}`;
      await broker.create(operator, '/posture-profiles/production', {
        mode: 'enforce',
        match: { clusters: ['prod'] },
        image: {
          digest: 'pinned',
          signatures: [
            { images: [images.repository], authorities: [{ name: 'ci', key: signed.keys.ci }] },
          ],
        },
        vulnerabilities: { deny: ['CRITICAL'] },
      });
      await signed.sign(image, 'bundle');
      await person.ok('attestation', 'push', '--from-registry', image);
      for (const report of [await images.trivy(image), await images.grype(`registry:${image}`)]) {
        const covers = report.includes('"Trivy"') ? ['--covers', 'vulnerabilities'] : [];
        await person.ok('evidence', 'push', await person.write('report', report), ...covers);
      }
      const attacked = await run(image, 'web-0');
      const [token, healthy] = [await logIn(attacked), await logIn(await run(image, 'web-1'))];
      for (const path of ['own/db', 'own/static'])
        expect((await read(token, path)).status).toBe(200);
      expect((await read(healthy, 'own/db')).status).toBe(200);

      const falco = new ScriptedFalcosidekick(`${broker.url}/api/v1/alert-sources/falco/alerts`, {
        Authorization: `Bearer ${FALCO}`,
      });
      await falco.forward({
        rule: 'Terminal shell in container',
        priority: 'Notice',
        time: new Date().toISOString(),
        output_fields: { 'k8s.ns.name': namespace, 'k8s.pod.name': 'web-0' },
      });
      expect(falco.errors).toEqual([]);
      expect((await read(token, 'own/db')).status).toBe(401);

      let shown = '';
      await until('the response is done', async () => {
        const { items } = await person.json('alert', 'ls');
        const [alert] = items as readonly { readonly id: string; readonly state: string }[];
        if (alert?.state !== 'done') return false;
        shown = await person.ok('incident', 'show', alert.id);
        return shown.includes('rotated   ');
      });
      expect(await read(healthy, 'own/db')).toMatchObject({ status: 200, json: { version: '2' } });
      expect(shown).toMatch(
        /^\S+\/web-0 cut off \d+ ms after falco saw it; held 2 secrets, ever read 2; 1 rotated, 1 needs you: no rotator/,
      );
      for (const part of ['own/static', 'by hand: no rotator', 'pod then: running', 'pod now: '])
        expect(shown).toContain(part);
      expect(shown).toContain(`same image: ${namespace}/web-1`);
    });
  },
);
