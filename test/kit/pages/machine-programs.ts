import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PROGRAM_WORDS } from '../broker/dev-broker.ts';

/**
 * Programs that need root or systemd, replaced for a directory in which a test may write. Each has the effect that the
 * documentation needs.
 */
export async function writeMachinePrograms(directory: string): Promise<string> {
  const programs = join(directory, 'programs');
  await mkdir(programs, { recursive: true });
  const config = join(directory, 'etc/config.yaml');
  const pid = join(directory, 'broker.pid');
  const log = join(directory, 'broker.log');
  const unit = join(directory, 'units/quaymaster.service');
  const scripts = {
    // The default of --config is a path of the machine.
    quaymaster: `
case "$1" in
  serve|init|release|healthcheck|restore) exec ${PROGRAM_WORDS} "$@" --config ${config};;
  config) exec ${PROGRAM_WORDS} config check --config ${config};;
  *) exec ${PROGRAM_WORDS} "$@";;
esac`,
    // runuser -u USER -- COMMAND
    runuser: 'shift 3; exec "$@"',
    install: `
for word; do shift; case "$word" in -o|quaymaster) ;; *) set -- "$@" "$word";; esac; done
exec /usr/bin/install "$@"`,
    systemctl: `
case "$1" in
  enable|start)
    command="$(sed -n 's/^ExecStart=//p' ${unit})"
    setsid sh -c "$command & echo \\$! >${pid}; wait; rm ${pid}" </dev/null >>${log} 2>&1 &
    until [ -s ${pid} ]; do sleep 0.1; done;;
  restart) "$0" stop && "$0" start;;
  stop)
    kill -TERM "$(cat ${pid})"
    while [ -e ${pid} ]; do sleep 0.1; done;;
esac`,
  };
  for (const [name, body] of Object.entries(scripts)) {
    await writeFile(join(programs, name), `#!/bin/sh\n${body}\n`);
    await chmod(join(programs, name), 0o755);
  }
  return programs;
}
