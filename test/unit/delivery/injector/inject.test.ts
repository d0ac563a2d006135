import { describe, expect, it } from '@jest/globals';
import { inject } from '../../../../src/delivery/injector/inject.ts';
import {
  agentOf,
  annotated,
  configOf,
  denials,
  injected,
  podWith,
  SETTINGS,
} from '../../../kit/delivery/injected-pods.ts';

const at = (key: string): unknown => expect.stringContaining(`quaymaster.dev/${key}: `);

describe('a pod', () => {
  it('stays unchanged without annotations', () => {
    const pod = podWith({});
    for (const asked of [undefined, 'false']) {
      const annotations = asked === undefined ? {} : { 'quaymaster.dev/inject': asked };
      const bare = { ...pod, metadata: { name: 'web', annotations } };
      expect(inject(bare, SETTINGS)).toEqual({ outcome: 'unchanged' });
    }
    expect(inject({ spec: pod.spec }, SETTINGS)).toEqual({ outcome: 'unchanged' });
  });

  it('gets a warning about its annotations without inject: "true"', () => {
    const pod = podWith({});
    const annotations = annotated({ 'secret-db': 'payments/db' }, {});
    expect(inject({ ...pod, metadata: { annotations } }, SETTINGS)).toEqual({
      outcome: 'unchanged',
      warning: expect.stringContaining('quaymaster.dev/inject'),
    });
  });

  it('stays unchanged from a file of the kubelet, because its containers already run', () => {
    const pod = podWith({});
    const annotations = { ...annotated({}), 'kubernetes.io/config.mirror': 'x' };
    expect(inject({ ...pod, metadata: { annotations } }, SETTINGS)).toMatchObject({
      outcome: 'unchanged',
      warning: expect.any(String),
    });
  });

  it('gets a native sidecar before its other containers, which has started when the files exist', () => {
    const pod = injected(podWith({}, { initContainers: [{ name: 'migrate' }] }));
    expect(pod.spec.initContainers?.map(({ name }) => name)).toEqual([
      'quaymaster-agent',
      'migrate',
    ]);
    expect(agentOf(pod)).toMatchObject({
      restartPolicy: 'Always',
      args: ['agent'],
      startupProbe: { exec: { command: expect.arrayContaining(['healthcheck', '--ready']) } },
    });
    expect(pod.spec.containers).toHaveLength(1);
  });

  it('gets an init container alone if it needs the files once', () => {
    const pod = injected(podWith({ once: 'true' }));
    expect(pod.spec.initContainers?.map(({ name }) => name)).toEqual(['quaymaster-agent-init']);
    expect(agentOf(pod)['args']).toEqual(['agent', '--once']);
    expect(agentOf(pod)).not.toHaveProperty('restartPolicy');
    expect(configOf(pod)).not.toHaveProperty('health');
  });

  it('gets an init container and a sidecar without native sidecars, and no sidecar if the pod runs to completion', () => {
    const old = { hasNativeSidecars: false };
    const lasting = injected(podWith({}), old);
    expect(lasting.spec.initContainers?.map(({ name }) => name)).toEqual(['quaymaster-agent-init']);
    expect(lasting.spec.containers.map(({ name }) => name)).toEqual(['app', 'quaymaster-agent']);
    const job = injected(podWith({}, { restartPolicy: 'Never' }), old);
    expect(job.spec.containers.map(({ name }) => name)).toEqual(['app']);
  });

  it('has the files mounted read-only into its containers, and the token into none of them', () => {
    const pod = injected(
      podWith({}, { containers: [{ name: 'a' }, { name: 'b' }], initContainers: [{ name: 'i' }] }),
    );
    const mount = {
      name: 'quaymaster-secrets',
      mountPath: '/var/run/quaymaster/secrets',
      readOnly: true,
    };
    expect(pod.spec.containers.map(({ volumeMounts }) => volumeMounts)).toEqual([[mount], [mount]]);
    expect(pod.spec.initContainers?.[1]).not.toHaveProperty('volumeMounts');
    expect(pod.spec.volumes).toEqual([
      { name: 'quaymaster-secrets', emptyDir: { medium: 'Memory' } },
      {
        name: 'quaymaster-token',
        projected: {
          sources: [
            {
              serviceAccountToken: {
                audience: 'quaymaster',
                expirationSeconds: 3600,
                path: 'token',
              },
            },
          ],
        },
      },
    ]);
  });

  it('has them mounted at its own path, into the containers that it names, init containers too', () => {
    const spec = { containers: [{ name: 'a' }, { name: 'b' }], initContainers: [{ name: 'i' }] };
    const pod = injected(podWith({ containers: 'b, i', directory: '/etc/app/secrets' }, spec));
    const mounts = [...pod.spec.containers, ...pod.spec.initContainers!.slice(1)].map(
      ({ name, volumeMounts = [] }) => [name, volumeMounts.map(({ mountPath }) => mountPath)],
    );
    expect(mounts).toEqual([
      ['a', []],
      ['b', ['/etc/app/secrets']],
      ['i', ['/etc/app/secrets']],
    ]);
    // The path in the agent is a separate one: a mount must not cover its own program.
    expect(agentOf(pod).volumeMounts?.[0]?.mountPath).toBe('/var/run/quaymaster/secrets');
  });

  it('keeps its volumes, mounts and unknown fields', () => {
    const volumeMounts = [{ name: 'data', mountPath: '/data' }];
    const spec = {
      containers: [{ name: 'app', volumeMounts, novel: { x: 1 } }],
      volumes: [{ name: 'data', emptyDir: {} }],
      tolerations: [{ key: 'x' }],
    };
    const pod = injected(podWith({}, spec));
    expect(pod.spec.volumes?.[0]).toEqual({ name: 'data', emptyDir: {} });
    expect(pod.spec.containers[0]?.volumeMounts?.[0]).toEqual(volumeMounts[0]);
    expect(pod.spec.containers[0]).toMatchObject({ novel: { x: 1 } });
    expect(pod.spec['tolerations']).toEqual([{ key: 'x' }]);
  });

  it('is injected again into the same pod, also with containers that were added since', () => {
    const once = injected(podWith({ containers: 'app' }));
    expect(injected(once)).toEqual(once);
    const meshed = {
      ...once,
      spec: {
        ...once.spec,
        initContainers: [{ name: 'mesh-init' }, ...once.spec.initContainers!],
        containers: [...once.spec.containers, { name: 'mesh-proxy' }],
      },
    };
    const again = injected(meshed);
    expect(again.spec.initContainers?.map(({ name }) => name)).toEqual([
      'quaymaster-agent',
      'mesh-init',
    ]);
    expect(again.spec.containers[1]).toEqual({ name: 'mesh-proxy' });
  });

  it('records which containers got the files, so that a container added later does not', () => {
    const pod = injected(podWith({}));
    expect(pod.metadata?.annotations).toMatchObject({
      'quaymaster.dev/containers': 'app',
      'quaymaster.dev/injected': 'v1',
    });
  });

  it('gains nothing by claiming that it was injected: the injector replaces its own parts', () => {
    const honest = injected(podWith({}));
    const forged = {
      name: 'quaymaster-agent',
      image: 'evil.test/agent',
      command: ['/evil'],
      securityContext: { privileged: true },
    };
    const pod = podWith(
      { injected: 'v1', containers: 'app' },
      {
        initContainers: [forged],
        volumes: [{ name: 'quaymaster-token', secret: { secretName: 'x' } }],
      },
    );
    expect(injected(pod)).toEqual(honest);
  });
});

describe('the user of the agent', () => {
  const limits = (pod: ReturnType<typeof injected>): unknown => agentOf(pod)['securityContext'];

  it('is the user of the pod, and only that user can read the files', () => {
    const pod = injected(podWith({}, { securityContext: { runAsUser: 1000, runAsGroup: 2000 } }));
    expect(limits(pod)).toMatchObject({ runAsUser: 1000, runAsGroup: 2000 });
    expect(configOf(pod)['secrets']).toMatchObject([{ mode: '0400' }]);
    expect(pod.spec.securityContext).toEqual({ runAsUser: 1000, runAsGroup: 2000 });
  });

  it('is the user of the containers that read, whatever the others are', () => {
    const containers = [
      { name: 'app', securityContext: { runAsUser: 7 } },
      { name: 'other', securityContext: { runAsUser: 8 } },
    ];
    expect(limits(injected(podWith({ containers: 'app' }, { containers })))).toMatchObject({
      runAsUser: 7,
      runAsGroup: 10001,
    });
  });

  it.each([
    ['is unknown', {}, [{ name: 'app' }]],
    ['is root', { runAsUser: 0 }, [{ name: 'app' }]],
    [
      'is not one',
      {},
      [
        { name: 'a', securityContext: { runAsUser: 7 } },
        { name: 'b', securityContext: { runAsUser: 8 } },
      ],
    ],
  ])('is its own if the user of the app %s; then a group reads', (_why, context, containers) => {
    const securityContext = { ...context, supplementalGroups: [5] };
    const pod = injected(podWith({}, { securityContext, containers }));
    expect(limits(pod)).toMatchObject({ runAsUser: 10001, runAsGroup: 10001 });
    expect(configOf(pod)['secrets']).toMatchObject([{ mode: '0440' }]);
    expect(pod.spec.securityContext?.supplementalGroups).toEqual([5, 10001]);
    expect(pod.spec.securityContext).not.toHaveProperty('fsGroup');
    expect(injected(pod)).toEqual(pod);
  });

  it('has no other rights', () => {
    expect(limits(injected(podWith({})))).toMatchObject({
      runAsNonRoot: true,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    });
  });
});

describe('the configuration of the agent', () => {
  it('has the address of the broker, and nothing of it comes from the pod', () => {
    expect(configOf(injected(podWith({})))).toMatchObject({
      broker: { url: SETTINGS.broker.url, ca: SETTINGS.broker.ca },
      cluster: 'prod',
      tokenFile: '/var/run/secrets/quaymaster/token',
      directory: '/var/run/quaymaster/secrets',
      health: { host: '127.0.0.1', port: 8210 },
    });
  });

  it.each([
    [{}, [{ name: 'db', path: 'payments/db', file: 'db.json', format: 'json', mode: '0400' }]],
    [{ 'secret-db': 'payments/db@7' }, [{ path: 'payments/db', version: '7' }]],
    [{ 'secret-db': 'people/bob@example.org@' }, [{ path: 'people/bob@example.org' }]],
    [
      { 'secret-db': 'people/bob@example.org@3' },
      [{ path: 'people/bob@example.org', version: '3' }],
    ],
    [{ 'file-db': 'x/y.txt', 'mode-db': '440' }, [{ file: 'x/y.txt', mode: '0440' }]],
    [{ 'format-db': 'dotenv' }, [{ file: 'db.env', format: 'dotenv' }]],
    [{ 'format-db': 'files' }, [{ file: 'db', format: 'files' }]],
    [{ 'credential-db': '1h' }, [{ credential: { ttl: '1h' } }]],
    [{ 'optional-db': 'true' }, [{ optional: true }]],
  ])('gives for %j the value %j', (annotations, secrets) => {
    expect(configOf(injected(podWith(annotations)))['secrets']).toMatchObject(secrets);
  });

  it('has a template instead of a file, of one secret or of several', () => {
    const pod = injected(
      podWith({
        'template-db': 'x={{ secrets.db.password }}',
        'secret-api': 'payments/api',
        'template-both': '{{ secrets.db.user }} {{ secrets.api.key }}',
        'file-both': 'conf/both',
      }),
    );
    const { secrets, templates } = configOf(pod);
    expect(secrets).toEqual([
      { name: 'api', path: 'payments/api', file: 'api.json', format: 'json', mode: '0400' },
      { name: 'db', path: 'payments/db' },
    ]);
    expect(templates).toEqual([
      { file: 'conf/both', text: '{{ secrets.db.user }} {{ secrets.api.key }}', mode: '0400' },
      { file: 'db', text: 'x={{ secrets.db.password }}', mode: '0400' },
    ]);
  });

  it('has the action for changed values', () => {
    const pod = injected(
      podWith(
        {
          'on-change-signal': 'SIGHUP',
          'on-change-process': 'nginx',
          'on-change-url': 'http://127.0.0.1:8080/-/reload',
          'when-unreachable': 'remove',
          'health-port': '9000',
        },
        { shareProcessNamespace: true },
      ),
    );
    expect(configOf(pod)).toMatchObject({
      onChange: [
        { signal: 'SIGHUP', process: 'nginx' },
        { http: { url: 'http://127.0.0.1:8080/-/reload', method: 'POST' } },
      ],
      whenUnreachable: 'remove',
      health: { port: 9000 },
    });
  });

  it('survives the kubelet, which expands dollar signs as references to variables', () => {
    const text = '$(HOME) $$(X) ${Y} $';
    const pod = injected(podWith({ 'template-db': text }));
    const [{ value }] = agentOf(pod)['env'] as [{ value: string }];
    expect(value).not.toContain('$');
    expect(configOf(pod)['templates']).toMatchObject([{ text }]);
  });
});

describe('a pod with mistakes', () => {
  it.each([
    [{ inject: 'yes' }, 'inject'],
    [{ 'secrets-db': 'a/b' }, 'secrets-db'],
    [{ broker: 'https://evil.test' }, 'broker'],
    [{ image: 'evil.test/agent' }, 'image'],
    [{ 'secret-': 'a/b' }, 'secret-'],
    [{ 'secret-DB': 'a/b' }, 'secret-DB'],
    [{ 'secret-db': '' }, 'secret-db'],
    [{ 'secret-db': '../etc' }, 'secret-db'],
    [{ 'secret-db': 'a/b@1@' }, undefined],
    [{ 'secret-db': 'a/b@no spaces' }, 'secret-db'],
    [{ 'credential-db': '1 hour' }, 'credential-db'],
    [{ 'secret-db': 'a/b@3', 'credential-db': '1h' }, 'credential-db'],
    [{ 'credential-other': '1h' }, 'credential-other'],
    [{ 'file-other': 'x' }, 'file-other'],
    [{ 'format-db': 'xml' }, 'format-db'],
    [{ 'format-db': 'json', 'template-db': 'x' }, 'format-db'],
    [{ 'mode-db': '0888' }, 'mode-db'],
    [{ 'mode-db': '4755' }, 'mode-db'],
    [{ 'mode-db': '0755' }, 'mode-db'],
    [{ 'mode-db': '0666' }, 'mode-db'],
    [{ 'optional-db': 'maybe' }, 'optional-db'],
    [{ 'file-db': '/etc/passwd' }, 'file-db'],
    [{ 'file-db': 'a/../../b' }, 'file-db'],
    [{ 'file-db': '..data' }, 'file-db'],
    [{ 'file-db': 'a//b' }, 'file-db'],
    [{ 'file-db': 'a/..b' }, 'file-db'],
    [{ 'file-db': 'a/b/c/d/e/f/g/h/i' }, 'file-db'],
    [{ 'secret-x': 'a/x', 'file-x': 'db.json' }, 'file-x'],
    [{ 'secret-x': 'a/x', 'file-x': 'db.json/x' }, 'file-x'],
    [{ directory: 'relative' }, 'directory'],
    [{ directory: '/a/../b' }, 'directory'],
    [{ directory: '/proc/self' }, 'directory'],
    [{ directory: '/' }, 'directory'],
    [{ once: '1' }, 'once'],
    [{ containers: 'missing' }, 'containers'],
    [{ containers: '' }, 'containers'],
    [{ 'health-port': '0' }, 'health-port'],
    [{ 'health-port': '70000' }, 'health-port'],
    [{ 'when-unreachable': 'panic' }, 'when-unreachable'],
    [{ 'on-change-url': 'http://10.0.0.1/' }, 'on-change-url'],
    [{ 'on-change-url': 'http://127.0.0.1@evil.test/' }, 'on-change-url'],
    [{ 'on-change-url': 'http://127.0.0.1:80/a@b' }, 'on-change-url'],
    [{ 'on-change-url': ' http://127.0.0.1:80/' }, 'on-change-url'],
    [{ 'on-change-signal': 'SIGKILL', 'on-change-process': 'x' }, 'on-change-signal'],
    [{ 'on-change-signal': 'SIGHUP' }, 'on-change-signal'],
    [{ 'on-change-process': 'x' }, 'on-change-process'],
    [{ 'template-db': 'x'.repeat(140_000) }, 'inject'],
  ])('is denied for %j, which is named', (annotations, place) => {
    const found = denials(podWith(annotations, { shareProcessNamespace: true }));
    if (place === undefined) expect(found).toEqual([]);
    else expect(found).toContainEqual(at(place));
  });

  it('is denied for all problems at once', () => {
    const found = denials(podWith({ 'mode-db': 'x', once: 'x', 'format-db': 'x', typo: 'x' }));
    expect(found).toEqual([at('typo'), at('mode-db'), at('format-db'), at('once')]);
  });

  it('is denied when it requests no secret, or too many', () => {
    const none = { ...podWith({}), metadata: { annotations: annotated({}, { inject: 'true' }) } };
    expect(denials(none)).toEqual([at('inject')]);
    const many = Object.fromEntries(
      Array.from({ length: 101 }, (_, index) => [`secret-s${index}`, `a/s${index}`]),
    );
    expect(denials(podWith(many))).toEqual([at('inject')]);
  });

  it.each([
    [{ os: { name: 'windows' } }, 'quaymaster.dev/inject'],
    [{ nodeSelector: { 'kubernetes.io/os': 'windows' } }, 'quaymaster.dev/inject'],
    [{ hostNetwork: true }, 'quaymaster.dev/health-port'],
    [{ containers: [{ name: 'quaymaster-agent' }] }, 'container "quaymaster-agent"'],
    [{ volumes: [{ name: 'quaymaster-token' }] }, 'volume "quaymaster-token"'],
    [
      {
        containers: [
          {
            name: 'app',
            volumeMounts: [{ name: 'x', mountPath: '/var/run/quaymaster/secrets/' }],
          },
        ],
      },
      'quaymaster.dev/directory',
    ],
  ])('is denied when the pod itself does not fit: %j', (spec, place) => {
    expect(denials(podWith({}, spec))).toEqual([expect.stringContaining(`${place}: `)]);
  });

  it('is denied if the application could not read the file, or the agent could not signal', () => {
    const anybody = { securityContext: {} };
    expect(denials(podWith({ 'mode-db': '0400' }, anybody))).toEqual([at('mode-db')]);
    const signals = { 'on-change-signal': 'SIGHUP', 'on-change-process': 'x' };
    expect(denials(podWith(signals))).toEqual([at('on-change-signal')]);
    expect(denials(podWith(signals, { ...anybody, shareProcessNamespace: true }))).toEqual([
      at('on-change-signal'),
    ]);
  });
});
