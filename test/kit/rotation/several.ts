import type { Rotating } from './rotating.ts';

/** Opens `count` rotating secrets of one kind for one broker, each below a path of its own with its own connection. */
export function openSeveral(open: () => Promise<Rotating>, count: number): Promise<Rotating[]> {
  const numbers = Array.from({ length: count }, (_, number) => number);
  return Promise.all(numbers.map(async (number) => numbered(await open(), number)));
}

function numbered(rotating: Rotating, number: number): Rotating {
  const { path, connections, mounts, rotation } = rotating;
  const target = `target-${number}`;
  const [prefix = '', key = ''] = path.split('/');
  const own = `${prefix}-${number}`;
  return {
    ...rotating,
    connections: { [target]: connections['target'] ?? {} },
    rotation: 'connection' in rotation ? { ...rotation, connection: target } : rotation,
    ...(mounts === undefined
      ? { path: `${path}-${number}` }
      : {
          path: `${own}/${key}`,
          mounts: {
            [`/mounts/${own}`]: {
              ...mounts[`/mounts/${prefix}`],
              prefix: own,
              connection: target,
            },
          },
        }),
  };
}
