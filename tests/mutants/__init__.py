"""Small defects put into the code on purpose, to see whether a test notices: `make mutants`.

Where to look:
    python_mutants   the defects that are put into Python, by its syntax tree
    lua_mutants      the same for the scripts, line by line
    areas            which files are tried, and which tests may notice
    reach            which tests reach which functions and scripts: one run of all tests
    trial            one defect in the running program, and the tests that reach it
    forks            work in forks of one process
    equivalent       the defects that are none
    run              the sample, all cores, the report

No maintained tool does what is needed here: mutmut and cosmic-ray know no Lua, and neither drops
an argument of `replace(state, …)` or swaps neighbours in an ordered chain of rules.
"""
