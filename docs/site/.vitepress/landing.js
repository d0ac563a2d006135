/** The head of the first page; the list of all pages follows it. */
export const hero = {
  name: 'Quaymaster',
  text: 'Secrets for containers',
  tagline: 'Workload identity in, short leases out, every access proven.',
  image: { src: '/icon.svg', alt: 'An anchor' },
  actions: [
    { theme: 'brand', text: 'Start in five minutes', link: '/using/quickstart' },
    { theme: 'alt', text: 'Install', link: '/using/install' },
    { theme: 'alt', text: 'API reference', link: '/reference/api/' },
  ],
};

export const features = [
  {
    title: 'Deliver',
    details: 'Files, templates or the environment of a process, by a sidecar, CSI or a library.',
    link: '/using/agent',
    linkText: 'The agent',
  },
  {
    title: 'Rotate',
    details:
      'New credentials are tested and reach a few pods first. The old one works until it is retired.',
    link: '/using/rotation',
    linkText: 'How rotation works',
  },
  {
    title: 'Gate on trust',
    details:
      'Secrets only for pods whose image was scanned and signed, and whose settings are safe.',
    link: '/using/gate-on-a-scan',
    linkText: 'Gate a secret on a scan',
  },
  {
    title: 'Respond',
    details:
      'A runtime alert quarantines its pod. The incident shows and rotates what the pod read.',
    link: '/using/runtime-alerts',
    linkText: 'Runtime alerts',
  },
  {
    title: 'Prove',
    details:
      'A value leaves only after its audit entry is on disk. Anybody can verify the log offline.',
    link: '/using/audit',
    linkText: 'The audit log',
  },
  {
    title: 'Operate',
    details:
      'One program with SQLite, or several brokers on one PostgreSQL, with metrics and backups.',
    link: '/using/operations',
    linkText: 'Operations',
  },
];
