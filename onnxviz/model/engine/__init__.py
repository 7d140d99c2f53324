"""The plan of torch calls that nodes become: conversion, rewrites and execution."""
