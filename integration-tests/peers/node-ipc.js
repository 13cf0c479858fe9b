// Node's own IPC between a program and the child it forked, as Electron's processes were built on: JSON messages over a
// socket pair. Reads lines "ROUNDS LENGTH" and answers each with the nanoseconds of every round trip, as JSON.
'use strict';
const { fork } = require('node:child_process');

if (process.argv[2] === 'child') {
  process.on('message', (message) => process.send(message));
} else {
  const child = fork(__filename, ['child'], { serialization: 'json' });
  const trip = (text) => new Promise((done) => {
    const begun = process.hrtime.bigint();
    child.once('message', (message) => {
      if (message.text.length !== text.length) throw new Error('another text came back');
      done(Number(process.hrtime.bigint() - begun));
    });
    child.send({ text });
  });
  const lines = require('node:readline').createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const [rounds, length] = line.split(' ').map(Number);
    const text = 'x'.repeat(length);
    const times = [];
    for (let round = 0; round < rounds; round++) times.push(await trip(text));
    console.log(JSON.stringify(times));
  });
  lines.on('close', () => child.disconnect());
}
