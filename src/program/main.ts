#!/usr/bin/env node
/** The agent is started first, so that it loads nothing of the other programs. */
if (process.argv[2] === 'agent') await import('../delivery/agent/main.ts');
else {
  const { runProgram } = await import('./program.ts');
  const code = await runProgram();
  if (code !== undefined) process.exit(code);
}
