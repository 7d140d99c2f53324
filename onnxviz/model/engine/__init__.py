"""From nodes to a plan of torch calls: conversion, rewrites and execution."""
