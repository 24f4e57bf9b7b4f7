// Drives the console of a gateway in Chromium: `node drive.cjs GATEWAY SCREENSHOTS`.
'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const puppeteer = require('puppeteer-core');

const [gateway, screenshots] = process.argv.slice(2);
const SOON = 20_000;
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const children = new Set();

/** A gateway that says that it listens. */
function start(addr) {
  const child = spawn(gateway, ['--addr', addr, '--console', '--max-connections', '500'], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  return new Promise((done, fail) => {
    let said = '';
    child.stdout.on('data', (data) => {
      said += data;
      const found = /listening on (http:\/\/(\S+))/.exec(said);
      if (found) done({ child, url: found[1], addr: found[2] });
    });
    child.on('exit', (code) => fail(new Error(`the gateway has ended with ${code}`)));
  });
}
function end(server, signal) {
  const ended = new Promise((done) => server.child.once('exit', done));
  server.child.kill(signal);
  return ended.then(() => children.delete(server.child));
}
/** curl, connected: it has its first event. */
function connect(url) {
  const child = spawn('curl', ['-sN', url], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return new Promise((done, fail) => {
    let said = '';
    child.once('exit', () => fail(new Error(`${url} has ended: ${said}`)));
    child.stdout.on('data', (data) => {
      said += data;
      const id = /event: connected\ndata: (\d+)\n/.exec(said);
      if (id) done({ child, id: id[1], said: () => said, exited: new Promise((it) => child.once('exit', it)) });
    });
  });
}
/** The body of an answer that is whole. */
function post(url, body) {
  return new Promise((done, fail) => {
    const request = http.request(url, { method: 'POST' }, (answer) => {
      answer.resume();
      answer.on('end', () => done(answer.statusCode));
    });
    request.on('error', fail);
    request.end(body);
  });
}

/** Waits until `holds` is true in the page. */
const until = (page, holds, ...args) => page.waitForFunction(holds, { timeout: SOON, polling: 20 }, ...args);
const has = (page, body, text) => until(page, (body, text) => document.getElementById(body).textContent.includes(text), body, text);
const hasNot = (page, body, text) => until(page, (body, text) => !document.getElementById(body).textContent.includes(text), body, text);
const row = (id) => `tr[data-id="${id}"]`;

async function accessible(page, what) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => window.axe.run());
  assert.ok(passes.length > 15, `${passes.length} rules apply`);
  const bad = violations.filter((it) => ['serious', 'critical'].includes(it.impact));
  const text = bad.map((it) => `${it.id}: ${it.help}: ${it.nodes.map((node) => node.html).join('; ')}`);
  assert.deepEqual(text, [], what);
  console.log(`axe, ${what}: ${passes.length} rules pass, ${violations.length} minor or moderate ones do not`);
}
async function fits(page, what) {
  const widths = await page.evaluate(() => [document.documentElement.scrollWidth, document.body.scrollWidth]);
  assert.ok(Math.max(...widths) <= 360, `${what}: ${widths} pixels wide`);
  console.log(`${what}: ${widths[0]} pixels wide`);
}
async function scheme(page, value) {
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
}
const shoot = (page, name) => page.screenshot({ path: path.join(screenshots, name) });

async function drive(browser) {
  let server = await start('127.0.0.1:0');
  const page = await browser.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(`error: ${error}`));
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== server.url && protocol !== 'data:') problems.push(`asks ${request.url()}`);
  });
  page.on('console', (message) => {
    if (/Content Security Policy|Uncaught/.test(message.text())) problems.push(message.text());
  });
  await page.setViewport({ width: 1200, height: 900 });
  await scheme(page, 'light');
  await page.goto(`${server.url}/console`);
  await until(page, () => document.getElementById('status').textContent === 'live');
  await until(page, () => document.getElementById('live').textContent === '0');
  console.log('the page opens');

  // One that has come is seen with the next update: a second later, and what it takes to draw.
  const ada = await connect(`${server.url}/worker/stream?name=ada`);
  const connected = Date.now();
  await has(page, 'rows', 'worker ada');
  const took = Date.now() - connected;
  console.log(`a connection is shown after ${took} ms`);
  assert.ok(took < 1300, `${took} ms`);
  const texts = await page.$$eval(`#rows ${row(ada.id)} > *`, (cells) => cells.map((cell) => cell.textContent));
  assert.deepEqual(texts.slice(0, 4), [ada.id, 'worker ada', 'workers = "ada"End all', 'live']);
  assert.equal(texts[7], 'stop ada');

  // Its end, with the reason.
  ada.child.kill('SIGKILL');
  await hasNot(page, 'rows', 'worker ada');
  await until(page, () => /worker adadropped/.test(document.getElementById('closes').textContent));
  console.log('its end is shown, with its reason');
  await until(page, () => document.getElementById('said').textContent !== '');

  // By the button, from the keyboard alone.
  const grace = await connect(`${server.url}/worker/stream?name=grace`);
  await has(page, 'rows', 'worker grace');
  const button = `#rows ${row(grace.id)} button.end`;
  const keepFocus = async () => page.$eval(button, (it) => it === document.activeElement);
  await page.focus(button);
  const age = await page.$eval(`#rows ${row(grace.id)} td:nth-child(5)`, (it) => it.textContent);
  await until(page, (selector, age) => document.querySelector(selector).textContent !== age, `#rows ${row(grace.id)} td:nth-child(5)`, age);
  assert.ok(await keepFocus(), 'an update takes the focus away');
  await page.keyboard.press('Enter');
  await until(page, () => document.getElementById('sure').open);
  // The first choice is to keep it.
  await page.keyboard.press('Enter');
  await until(page, () => !document.getElementById('sure').open);
  assert.ok(await keepFocus(), 'the dialog gives the focus back');
  await page.keyboard.press('Enter');
  await until(page, () => document.getElementById('sure').open);
  await accessible(page, 'the dialog');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await grace.exited;
  assert.match(grace.said(), /event: closed\ndata: app\(0\): ended in the console\n/);
  await has(page, 'closes', 'ended in the console');
  console.log('one is ended by the button');

  // All under a key.
  const agents = await Promise.all([7, 7, 8].map((agent) => connect(`${server.url}/agents/${agent}/events`)));
  await until(page, () => document.getElementById('rows').rows.length === 3);
  await page.click(`#rows ${row(agents[0].id)} .keys button`);
  await until(page, () => document.getElementById('sure').open);
  await page.click('#yes');
  await until(page, () => document.getElementById('rows').rows.length === 1);
  await Promise.all([agents[0].exited, agents[1].exited]);
  await has(page, 'rows', 'agent 8');
  console.log('all under a key are ended');

  // Values are texts.
  const evil = encodeURIComponent('<img src=x onerror=alert(1)>');
  await connect(`${server.url}/worker/stream?name=${evil}`);
  await has(page, 'rows', 'worker <img src=x onerror=alert(1)>');
  assert.equal(await page.$('img'), null);

  // A filter, with the focus where it is, and pages.
  const many = await Promise.all(Array.from({ length: 60 }, (_, at) => connect(`${server.url}/worker/stream?name=w${at}`)));
  await until(page, () => document.getElementById('page').textContent === 'Page 1 of 2');
  await page.click('#next');
  await until(page, () => document.getElementById('page').textContent === 'Page 2 of 2');
  await until(page, () => document.getElementById('rows').rows.length === 12);
  await page.type('#filter', 'W59');
  await until(page, () => document.getElementById('rows').rows.length === 1);
  await has(page, 'rows', 'worker w59');
  assert.equal(await page.$eval('#filter', (it) => it === document.activeElement), true);
  await page.$eval('#filter', (it) => { it.value = ''; it.dispatchEvent(new Event('input')); });
  await until(page, () => document.getElementById('rows').rows.length === 50);
  await page.select('#sort', 'label');
  await until(page, () => document.getElementById('rows').rows[0].textContent.includes('agent 8'));
  assert.equal(await page.$eval('#by-label', (it) => it.getAttribute('aria-sort')), 'ascending');
  console.log('the table is filtered, sorted, and in pages');

  // As it is shown in the documentation.
  many.slice(6).forEach((it) => it.child.kill('SIGKILL'));
  await page.select('#sort', 'age');
  await until(page, () => document.getElementById('rows').rows.length === 8);
  const slow = spawn('curl', ['-sN', `${server.url}/worker/stream?name=slow&setup_ms=10000`], { stdio: 'ignore' });
  children.add(slow);
  await has(page, 'rows', 'registering');
  await accessible(page, 'light');
  await page.evaluate(() => document.activeElement.blur());
  await shoot(page, 'light.png');
  await page.setViewport({ width: 1000, height: 620 });
  await shoot(page, 'console.png');
  await page.setViewport({ width: 1200, height: 900 });
  await scheme(page, 'dark');
  await accessible(page, 'dark');
  await shoot(page, 'dark.png');
  await page.setViewport({ width: 360, height: 740 });
  await fits(page, 'dark, with connections');
  await shoot(page, 'phone-dark.png');
  await scheme(page, 'light');
  await accessible(page, 'phone');
  await page.screenshot({ path: path.join(screenshots, 'phone-light.png'), fullPage: true });

  // The server is gone and comes back: other ids, another token.
  const { addr } = server;
  await end(server, 'SIGKILL');
  await until(page, () => document.getElementById('status').dataset.state === 'lost');
  await fits(page, 'without the server');
  server = await start(addr);
  const back = await connect(`${server.url}/worker/stream?name=back`);
  await until(page, () => document.getElementById('status').dataset.state === 'live');
  await until(page, () => document.getElementById('rows').rows.length === 1);
  await has(page, 'rows', 'worker back');
  await page.click(`#rows ${row(back.id)} button.end`);
  await until(page, () => document.getElementById('sure').open);
  await fits(page, 'the dialog');
  await page.click('#yes');
  await back.exited;
  await has(page, 'closes', 'ended in the console');
  await fits(page, 'after a restart');
  console.log('the page survives a restart');

  // A form without the token.
  const last = await connect(`${server.url}/worker/stream?name=last`);
  assert.equal(await post(`${server.url}/console/end`, `id=${last.id}`), 415);

  // A page that is not seen has no stream, and one that is seen again has one.
  const hide = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await has(page, 'rows', 'worker last');
  await hide(true);
  assert.equal(await page.evaluate('source'), null);
  const other = await connect(`${server.url}/worker/stream?name=other`);
  await hide(false);
  await has(page, 'rows', 'worker other');

  // A drain is told, and ends the stream.
  const ended = end(server, 'SIGTERM');
  await until(page, () => document.getElementById('status').dataset.state === 'lost');
  await Promise.all([ended, last.exited, other.exited]);
  console.log('the page ends with the server');
  assert.deepEqual(problems, []);
}

(async () => {
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    userDataDir: process.env.PROFILE,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  try {
    await drive(browser);
  } catch (error) {
    const [, page] = await browser.pages();
    if (page) await shoot(page, 'failed.png').catch(() => {});
    throw error;
  } finally {
    await browser.close();
    children.forEach((child) => child.kill('SIGKILL'));
  }
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
