import * as z from 'zod';

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

const endpoint = z.url({ protocol: /^https?$/ }).refine((text) => {
  const url = URL.parse(text);
  if (url === null) return false;
  const isPrivate = url.protocol === 'https:' || LOOPBACK.includes(url.hostname);
  return isPrivate && url.username === '' && url.password === '' && url.hash === '';
}, 'is https://host[:port]/path, or http:// on a loopback address, without credentials');

/** The traces section of the configuration file. */
export const tracesConfigSchema = z.strictObject({
  /** URL at which the collector takes OTLP over HTTP, like `https://collector.example:4318/v1/traces`. */
  endpoint,
  /** PEM file of the authorities, read at each start; default: the root certificates of Node. */
  caFile: z.string().min(1).optional(),
  /** Lines of `Name: value`, for example with a token of the collector. Read again when it changes. */
  headersFile: z.string().min(1).optional(),
  /** The share of all traces that are recorded. */
  ratio: z.number().min(0).max(1).default(1),
  /** True: spans contain the paths of secrets. */
  paths: z.boolean().default(false),
});

export type TracesConfig = z.output<typeof tracesConfigSchema>;
