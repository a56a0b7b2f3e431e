"""The load tester: an HTTP service that webhooks of canaries call, with the API of Flagger's.

payload     what a request says
commands    what a task may run, and how a text becomes programs and pipes
processes   runs them, within limits of time and output
orphans     ends what they leave behind, also when the load tester is killed
jobs        the units of work and what may come of them
kinds       the types of tasks: a registry
runs        which jobs run: once each in the background, or while somebody waits
connections how many there are, and for how long
server      the HTTP interface; `serving` has it run until a signal
remote      services that run tests of their own, asked until those have ended
hey         a load generator with hey's options, for where hey is not installed
"""
